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
const CUT_OFF: &str = "\
    [...document.querySelectorAll('section, .table-frame, #steps, #job-list')]
      .filter((part) => part.checkVisibility() && part.scrollWidth > part.clientWidth)
      .map(({ id, className, scrollWidth, clientWidth }) => `${id} ${className}: ${scrollWidth} in ${clientWidth}`)";

/// Texts whose contrast is below the 4.5 to 1 of WCAG 2.2, success criterion 1.4.3.
const HARD_TO_READ: &str = "
    const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const ground = (element) => {
      const [r, g, b, alpha = 1] = parts(getComputedStyle(element).backgroundColor);
      return alpha === 0 ? ground(element.parentElement) : [r, g, b];
    };
    const linear = (part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const contrast = (element) => {
      const both = [parts(getComputedStyle(element).color), ground(element)].map(luminance);
      return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    };
    const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    return [...document.body.querySelectorAll('*')]
      .filter((element) => hasText(element) && element.checkVisibility() && !element.disabled && contrast(element) < 4.5)
      .map((element) => `${element.textContent.trim()}: ${contrast(element)}`);";

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
