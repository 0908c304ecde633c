"""The structure of the sources in numbers: lengths of functions and files, and circles of imports.

    python3 benches/structure.py [FOLDER]      a folder with Rust sources (default src)

Lines are those that are not blank, no comment and no test. A file imports what its `use` declarations and paths name;
a `mod.rs` is left out of the graph, since it re-exports what is below it.
"""

import re
import sys
from pathlib import Path


def sources(folder):
    """Each file without its tests."""
    for path in sorted(folder.rglob("*.rs")):
        if path.name == "tests.rs":
            continue
        text = re.split(r"\n#\[cfg\(test\)\]\nmod tests \{", path.read_text())[0]
        yield path, text


def counted(lines):
    return sum(1 for line in lines if line.strip() and not line.strip().startswith("//"))


def functions(text):
    """The lines of each function, from its name to its closing brace."""
    lines = text.split("\n")
    for start, line in enumerate(lines):
        found = re.match(r"(\s*)(pub(\([^)]*\))? )?(const |async |unsafe )*fn \w+", line)
        if not found:
            continue
        indent = found[1]
        for end in range(start, len(lines)):
            if lines[end].startswith(indent + "}") or end == start and line.rstrip().endswith("}"):
                yield counted(lines[start : end + 1]), line.strip()
                break
            # Declared, without a body.
            if lines[end].rstrip().endswith(";") and "{" not in "".join(lines[start : end + 1]):
                break


def share(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def imports(path, text, root, modules):
    """The files that a file names."""
    own = path.relative_to(root).with_suffix("").parts
    parent = own[:-1]
    found = set()
    for line in re.findall(r"(?:crate|super|self)(?:::(?:\w+|\{[^}]*\}))+", text):
        parts = re.findall(r"\w+|\{[^}]*\}", line)
        place = list(own)
        if parts[0] == "crate":
            place, parts = crate_of(own), parts[1:]
        while parts and parts[0] == "super":
            place, parts = place[:-1], parts[1:]
        names = [[]]
        for part in parts:
            many = re.findall(r"[\w:]+", part[1:-1]) if part.startswith("{") else [part]
            names = [name + one.split("::") for name in names for one in many]
        for name in names:
            for length in range(len(name), 0, -1):
                target = tuple(place) + tuple(name[:length])
                if target in modules and target != own and target != parent:
                    found.add(target)
                    break
    return own, found


def crate_of(own):
    return ["raster"] if own[0] == "raster" else []


def circles(graph):
    """The groups of files each of which imports all others, directly or not (Tarjan, 1972)."""
    index, low, stack, groups = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                groups.append(group)

    for node in graph:
        if node not in index:
            visit(node)
    return groups


def main():
    sys.setrecursionlimit(10_000)
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "src")
    files = list(sources(root))
    lengths = [(counted(text.split("\n")), str(path)) for path, text in files]
    bodies = [body for _, text in files for body in functions(text)]
    for name, values in (("functions", bodies), ("files", lengths)):
        sizes = [size for size, _ in values]
        largest = max(values)
        print(f"{len(sizes)} {name}: median {share(sizes, 0.5)}, 90 % within {share(sizes, 0.9)}, largest {largest[0]} ({largest[1]})")
    modules = {path.relative_to(root).with_suffix("").parts for path, _ in files if path.name != "mod.rs"}
    graph = dict(imports(path, text, root, modules) for path, text in files if path.name not in ("mod.rs", "lib.rs", "main.rs"))
    found = circles(graph)
    sizes = sorted(map(len, found), reverse=True)
    print(f"{len(graph)} files in the graph of imports; circles: {sizes or 'none'}")
    for group in found:
        print("  " + ", ".join("/".join(place) for place in sorted(group)))


main()
