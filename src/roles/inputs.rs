//! The images that a command line names: files, and patterns that no shell has expanded.

use std::path::{Path, PathBuf};

use crate::refusal::{Code, Refusal};

/// The images in the order of `words`, those of one pattern sorted by name.
///
/// A word that is the name of a file is never read as a pattern. A file that does not exist is kept:
/// only its own result will fail. Fails if a pattern is malformed or matches no file.
pub(super) fn expand(words: &[PathBuf]) -> Result<Vec<PathBuf>, Refusal> {
    let mut images = Vec::with_capacity(words.len());
    for word in words {
        match pattern(word) {
            Some(pattern) => images.extend(matches(pattern)?),
            None => images.push(word.clone()),
        }
    }
    Ok(images)
}

/// The size of an image's file in bytes; 0 if there is none.
pub(super) fn bytes(image: &Path) -> u64 {
    std::fs::metadata(image).map_or(0, |file| file.len())
}

fn pattern(word: &Path) -> Option<&str> {
    word.to_str().filter(|text| text.contains(['*', '?', '[']) && word.symlink_metadata().is_err())
}

/// As in a shell: a star matches neither a slash nor the dot of a hidden file.
const LIKE_A_SHELL: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

fn matches(pattern: &str) -> Result<Vec<PathBuf>, Refusal> {
    let paths = glob::glob_with(pattern, LIKE_A_SHELL).map_err(|error| {
        let what = format!("this is neither a file nor a pattern ({error})");
        Refusal::new(Code::InvalidOption, what).value(pattern)
    })?;
    // A directory that cannot be read counts as empty, as in a shell.
    let files: Vec<_> = paths.filter_map(Result::ok).filter(|path| !path.is_dir()).collect();
    if files.is_empty() {
        return Err(Refusal::new(Code::InvalidOption, "no file matches the pattern").value(pattern));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::expand;

    #[test]
    fn a_pattern_becomes_the_files_that_match_in_the_order_of_their_names() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.png", "a.png", "c.jpg", ".d.png", "[x].png"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        fs::create_dir(directory.path().join("e.png")).unwrap();
        let names = |word: &str| -> Vec<String> {
            let images = expand(&[directory.path().join(word)]).unwrap();
            images.iter().map(|i| i.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names("?.png"), ["a.png", "b.png"]);
        assert_eq!(names("*.png"), ["[x].png", "a.png", "b.png"]);
        assert_eq!(names("[x].png"), ["[x].png"], "a name is not read as a pattern");
        assert_eq!(names("missing.png"), ["missing.png"]);
    }

    #[test]
    fn a_pattern_without_a_file_is_refused_by_its_text() {
        let refusal = expand(&["no-such-directory/*.tif".into()]).unwrap_err();
        assert_eq!(refusal.to_string(), "no file matches the pattern: no-such-directory/*.tif");
    }
}
