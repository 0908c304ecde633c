//! Logins by machine, as curl and ftp read them from `~/.netrc`.

/// The first login with a password for `machine`, and for `name` if one is given.
pub(super) fn find(text: &str, machine: &str, name: Option<&str>) -> Option<(String, String)> {
    let fits = |entry: &Entry| {
        let is_here = entry.machine.as_ref().is_none_or(|of| of.eq_ignore_ascii_case(machine));
        is_here && name.is_none_or(|name| entry.login.as_deref().is_none_or(|of| of == name))
    };
    let found = entries(text).into_iter().filter(fits).find(|entry| entry.password.is_some())?;
    let login = name.map(str::to_owned).or(found.login).unwrap_or_default();
    Some((login, found.password?))
}

/// The login for one machine, or for all others.
#[derive(Default)]
struct Entry {
    machine: Option<String>,
    login: Option<String>,
    password: Option<String>,
}

fn entries(text: &str) -> Vec<Entry> {
    let words = words(text);
    let mut words = words.into_iter();
    let mut entries: Vec<Entry> = Vec::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "machine" => entries.push(Entry { machine: words.next(), ..Entry::default() }),
            "default" => entries.push(Entry::default()),
            "login" | "password" | "account" => {
                let value = words.next();
                match (word.as_str(), entries.last_mut()) {
                    ("login", Some(entry)) => entry.login = value,
                    ("password", Some(entry)) => entry.password = value,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    entries
}

/// The words of a file without its comments and macros; a macro ends with an empty line.
fn words(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut in_macro = false;
    for line in text.lines() {
        in_macro &= !line.trim().is_empty();
        if in_macro || line.trim_start().starts_with('#') {
            continue;
        }
        let mut words = words_of_line(line);
        if let Some(at) = words.iter().position(|word| word == "macdef") {
            words.truncate(at);
            in_macro = true;
        }
        all.extend(words);
    }
    all
}

/// The words of a line. A word in quotation marks may contain blanks, and characters escaped by a backslash.
fn words_of_line(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        if c.is_whitespace() {
            continue;
        }
        let is_quoted = c == '"';
        let mut word = if is_quoted { String::new() } else { c.to_string() };
        while let Some(c) = rest.next() {
            match c {
                '"' if is_quoted => break,
                '\\' if is_quoted => word.extend(rest.next()),
                c if !is_quoted && c.is_whitespace() => break,
                c => word.push(c),
            }
        }
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::find;

    const FILE: &str = "# mine\nmachine a.example login me password one\n\
        macdef init\nmachine b.example login no password no\n\n\
        machine b.example\n\tlogin \"my self\"\n\tpassword \"t w\\\"o\" account x\n\
        machine b.example login other password three\n\
        machine c.example login nobody\n\
        default login anyone password four\n";

    #[test]
    fn the_first_login_of_a_machine_counts_and_that_of_others_else() {
        for (machine, name, found) in [
            ("a.example", None, ("me", "one")),
            ("A.EXAMPLE", None, ("me", "one")),
            ("b.example", None, ("my self", "t w\"o")),
            ("b.example", Some("other"), ("other", "three")),
            ("c.example", None, ("anyone", "four")),
            ("d.example", None, ("anyone", "four")),
        ] {
            let found = (found.0.to_owned(), found.1.to_owned());
            assert_eq!(find(FILE, machine, name), Some(found), "{machine} {name:?}");
        }
        assert_eq!(find(FILE, "a.example", Some("stranger")), None);
        for broken in
            ["", "machine", "machine a.example login", "password x", "machine a.example password"]
        {
            assert_eq!(find(broken, "a.example", None), None, "{broken:?}");
        }
    }
}
