#!/usr/bin/env bash
# A zip archive that is written front to back has each length after the data, in a data descriptor (APPNOTE 6.3.10,
# 4.3.9). Where it cannot seek, Python 3.11 does that also for stored entries, its default. A reader that goes front to
# back cannot find the end of such an entry: Java's ZipInputStream and Commons Compress 1.28.0 refuse it, while Java's
# ZipFile, which reads the directory at the end, accepts it. A deflated entry marks its own end, even if it has only
# stored blocks (zlib's level 0, where nothing is compressed), and all of them read it.
#
# Seen on 2026-11-30 with Java 17 and Python 3.11:
#   stored, ZipFile: 2 entries
#   stored, ZipInputStream: only DEFLATED entries can have EXT descriptor
#   stored, Commons Compress: Unsupported feature data descriptor used in entry one.txt
#   level 0, ZipFile: 2 entries
#   level 0, ZipInputStream: one.txt 12, two.txt 8
#   level 0, Commons Compress: one.txt 12, two.txt 8
#
# Needs Java 17, Maven and Python. Runs for a few seconds.
set -euo pipefail
command -v java >/dev/null && command -v mvn >/dev/null ||
  { echo "Java or Maven is missing: apt-get install openjdk-17-jre-headless maven" >&2; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for artifact in org.apache-extras.beanshell:bsh:2.0b6 org.apache.commons:commons-compress:1.28.0 commons-io:commons-io:2.20.0; do
  mvn -q -B -ntp dependency:copy "-Dartifact=$artifact" "-DoutputDirectory=$work/jars" >/dev/null
done

for level in none 0; do
  python3 - $level <<'PYTHON' | cat >"level-$level.zip"
import sys
import zipfile

how = {} if sys.argv[1] == "none" else {"compression": zipfile.ZIP_DEFLATED, "compresslevel": int(sys.argv[1])}
with zipfile.ZipFile(sys.stdout.buffer, "w", **how) as archive:
    archive.writestr("one.txt", "one\n" * 3)
    archive.writestr("two.txt", "two\n" * 2)
PYTHON
done

cat >read.bsh <<'JAVA'
import java.io.*;
import java.util.zip.*;
import org.apache.commons.compress.archivers.zip.ZipArchiveInputStream;

String entries(archive) {
  StringBuilder seen = new StringBuilder();
  try {
    for (entry = archive.getNextEntry(); entry != null; entry = archive.getNextEntry()) {
      if (seen.length() > 0) seen.append(", ");
      seen.append(entry.getName() + " " + archive.readAllBytes().length);
    }
  } catch (IOException error) {
    return error.getMessage();
  }
  return seen.toString();
}

for (String[] each : new String[][] {{"stored", "level-none.zip"}, {"level 0", "level-0.zip"}}) {
  print(each[0] + ", ZipFile: " + new ZipFile(each[1]).size() + " entries");
  print(each[0] + ", ZipInputStream: " + entries(new ZipInputStream(new FileInputStream(each[1]))));
  print(each[0] + ", Commons Compress: " + entries(new ZipArchiveInputStream(new FileInputStream(each[1]))));
}
JAVA
java -cp "jars/*" bsh.Interpreter read.bsh | tee seen
diff seen - <<'SEEN' || { echo "it has changed" >&2; exit 1; }
stored, ZipFile: 2 entries
stored, ZipInputStream: only DEFLATED entries can have EXT descriptor
stored, Commons Compress: Unsupported feature data descriptor used in entry one.txt
level 0, ZipFile: 2 entries
level 0, ZipInputStream: one.txt 12, two.txt 8
level 0, Commons Compress: one.txt 12, two.txt 8
SEEN
