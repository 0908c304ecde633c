//! How a page looks: at each width and in each colour scheme, by measure and as pictures for people.

use std::path::Path;

use serde_json::json;

use crate::browser::{Browser, axe};
use crate::support::is_all_required;

/// Widths and colours at which each state is looked at.
const LOOKS: [(u32, &str); 6] = [
    (360, "light"),
    (360, "dark"),
    (768, "light"),
    (1280, "light"),
    (1280, "dark"),
    (2560, "light"),
];

/// Nothing is cut off, too pale, or out of reach, whatever the width and the colours.
pub fn assert_usable(page: &Browser, state: &str) {
    let axe = axe::find();
    for (width, scheme) in LOOKS {
        page.look_as(width, scheme);
        page.until(&format!("innerWidth === {width}"));
        let wide = page.value("document.documentElement.scrollWidth");
        assert!(wide.as_u64().unwrap() <= width.into(), "{state}: {wide} pixels wide at {width}");
        assert_eq!(page.value(CUT_OFF), json!([]), "{state} {width} {scheme}");
        assert_eq!(page.run(HARD_TO_READ, &json!([])), json!([]), "{state} {width} {scheme}");
        match &axe {
            Ok(script) => {
                assert_eq!(axe::violations(page, script), [""; 0], "{state} {width} {scheme}");
            }
            Err(missing) if is_all_required() => panic!("{missing}"),
            Err(missing) => eprintln!("skipped: {missing}"),
        }
    }
    keep_screenshots(page, state);
}

/// Parts that are wider than what shows them.
const CUT_OFF: &str = include_str!("cut_off.js");

/// Texts whose contrast is below the 4.5 to 1 of WCAG 2.2, success criterion 1.4.3.
const HARD_TO_READ: &str = include_str!("hard_to_read.js");

/// Keeps pictures of what is seen, for those who look at them with their own eyes.
pub fn keep_screenshots(page: &Browser, state: &str) {
    let Some(folder) = std::env::var_os("TILEMILL_TEST_SCREENSHOTS") else {
        return;
    };
    std::fs::create_dir_all(&folder).unwrap();
    let keep = |look: String| {
        page.until_drawn();
        let path = Path::new(&folder).join(format!("{state}-{look}.png"));
        std::fs::write(&path, page.screenshot()).unwrap();
        eprintln!("screenshot: {}", path.display());
    };
    if matches!(page, Browser::Firefox(_)) {
        return keep("firefox".into());
    }
    for (width, scheme) in LOOKS {
        page.look_as(width, scheme);
        keep(format!("{width}-{scheme}"));
    }
}
