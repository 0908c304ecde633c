//! The builder of filters and the text beside it.

use serde_json::json;

use super::harness::{Page, Test};
use crate::browser::{END, HOME};

pub const TESTS: [(&str, Test); 3] = [
    ("filters_that_do_not_come_are_asked_for_again", missing_filters),
    ("the_builder_and_the_text_write_the_same_chain", builder),
    ("every_filter_of_the_server_can_be_added_and_is_accepted", all_filters),
];

fn missing_filters(page: &Page) {
    page.block(&["*/api/filters"]);
    page.reload();
    page.until_says("#chain-said", "The list of filters is missing, trying again.");
    page.fill("#filters", "invert");
    page.block(&[]);
    page.until_says("#steps", "invert");
    page.until("document.querySelector('#add').disabled === false");
    assert_eq!(page.text("#chain-said"), "");
    let console = page.console();
    assert!(console.iter().all(|line| line.contains("net::ERR_")), "{console:#?}");
}

fn builder(page: &Page) {
    let chain = || page.value("document.querySelector('#filters').value");
    let type_chain = |text: &str| page.fill("#filters", text);
    page.until("document.querySelectorAll('#filter option').length > 1");
    page.until_says("#steps", "grayscale");
    page.run("document.querySelector('#filter').value = 'blur'", &json!([]));
    page.click("#add");
    assert_eq!(chain(), "grayscale,blur");
    page.fill("#steps li:nth-child(2) [type=number]", "2.5");
    assert_eq!(chain(), "grayscale,blur:2.5");
    page.fill("#steps li:nth-child(2) [type=number]", "1000");
    page.until("document.querySelector('#steps [aria-invalid=true]')");
    // The last that was allowed on the way to it.
    assert_eq!(chain(), "grayscale,blur:100");
    page.click("#process");
    page.until_says("#form-error", "sigma must be a number from 0.1 to 100.");
    // By the slider, whose ends are those of the range.
    page.run("document.querySelector('#steps [type=range]').focus()", &json!([]));
    page.press(END);
    assert_eq!(chain(), "grayscale,blur:100");
    page.press(HOME);
    assert_eq!(chain(), "grayscale,blur:0.1");
    page.until("!document.querySelector('#steps [aria-invalid=true]')");
    assert_eq!(page.text("#form-error"), "");
    page.click("[aria-label='Move blur up']");
    assert_eq!(chain(), "blur:0.1,grayscale");
    page.click("[aria-label='Remove grayscale']");
    assert_eq!(chain(), "blur:0.1");
    // What has to know the whole image stands first.
    page.run("document.querySelector('#filter').value = 'equalize'", &json!([]));
    page.click("#add");
    assert_eq!(chain(), "equalize,blur:0.1");
    page.click("[aria-label='Move equalize down']");
    page.until_says("#chain-said", "equalize looks at the whole image, so it must be the first");
    page.click("[aria-label='Move equalize up']");
    assert_eq!(page.text("#chain-said"), "");
    // What is typed is read.
    type_chain("invert,blur:sigma=7");
    page.until("document.querySelectorAll('#steps > li').length === 2");
    assert_eq!(page.value("document.querySelector('#steps [type=number]').value"), "7");
    type_chain("invert,blurr");
    page.until_says("#chain-said", "There is no filter “blurr”");
    type_chain("blur:1000");
    page.until_says("#chain-said", "sigma must be a number from 0.1 to 100 pixels");
    // A list goes on behind its commas, in the text and in its field.
    type_chain("bands:4, 3,2,invert");
    page.until("document.querySelectorAll('#steps > li').length === 2");
    page.fill("#steps [type=text]", "1,2");
    assert_eq!(chain(), "bands:1,2,invert");
    page.fill("#steps [type=text]", "1,x");
    page.until("document.querySelector('#steps [aria-invalid=true]')");
    page.click("#process");
    page.until_says(
        "#form-error",
        "numbers must be whole numbers from 1 to 65535, separated by commas.",
    );
    // Too many values for a slider.
    type_chain("scale:-100:2500.5:16");
    page.until("!document.querySelector('#steps [type=range]')");
    assert_eq!(page.value("document.querySelector('#steps [type=number]').value"), "-100");
    type_chain("blur");
    assert_eq!(page.text("#chain-said"), "");
    page.click("[aria-label='Remove blur']");
    assert_eq!(chain(), "");
    assert_eq!(page.text("#form-error"), "");
}

fn all_filters(page: &Page) {
    page.until("document.querySelectorAll('#filter option').length > 1");
    let image = page.picture("flower.png", 30, 20);
    let names =
        page.value("[...document.querySelectorAll('#filter option')].map(({ value }) => value)");
    for name in names.as_array().unwrap() {
        page.fill("#filters", "x");
        page.run(
            "const text = document.querySelector('#filters');
             text.value = 'grayscale';
             text.dispatchEvent(new Event('input'));
             document.querySelector('#filter').value = arguments[0];",
            &json!([name]),
        );
        page.click("#add");
        let chain = page.value("document.querySelector('#filters').value");
        let (status, answer) = page.server.submit(&image, &[("filters", chain.as_str().unwrap())]);
        assert_eq!(status, 201, "{name}: {answer}");
    }
}
