//! Previews: what is seen is what comes.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tilemill::raster::decode::{self, Colours, Limits, Wanted};
use tilemill::raster::filter::filters;
use tilemill::raster::grid::Region;
use tilemill::raster::pixels::Pixels;
use tilemill::raster::source::Source;
use tilemill::raster::view::shown;

use crate::stills::{RARER, STILLS};
use crate::support::{Server, data, open_below, picture, tree};

/// An image as the viewer shows it.
fn seen(file: &[u8]) -> Source {
    let wanted = Wanted::from(Colours::All).in_srgb();
    let source = decode::decode(Cursor::new(file), &Limits::NONE, wanted).unwrap();
    shown(source.window(Region::of(source.size())).unwrap()).into()
}

fn preview(server: &Server, path: &str, query: &str, region: Option<Region>) -> Pixels {
    let part = region.map(|Region { x, y, width, height }| {
        format!("&x={x}&y={y}&width={width}&height={height}")
    });
    let png = server.bytes(&format!("{path}?{query}{}", part.unwrap_or_default()));
    let source = decode::decode(Cursor::new(png), &Limits::NONE, Colours::All).unwrap();
    source.window(Region::of(source.size())).unwrap()
}

/// The path of the previews of an image.
fn kept(server: &Server, image: &Path) -> String {
    let (status, view) = server.submit_for_previews(image);
    assert_eq!(status, 201, "{view}");
    view["links"]["self"].as_str().unwrap().to_owned()
}

/// Compares regions of the previews at `path` with those of an image.
fn assert_same(server: &Server, path: &str, query: &str, image: &Source, regions: &[Region]) {
    let all = Region::of(image.size());
    for region in regions.iter().filter(|region| all.contains(**region)) {
        let (made, meant) =
            (preview(server, path, query, Some(*region)), image.window(*region).unwrap());
        assert_eq!((made.size(), made.format()), (meant.size(), meant.format()), "{path} {query}");
        assert!(made == meant, "{path}?{query} has other pixels in {region}");
    }
}

/// The whole, corners, and what is not in step with tiles or blocks.
fn regions(image: &Source) -> Vec<Region> {
    let (width, height) = (image.size().width, image.size().height);
    let corner = Region { x: width - 5, y: height - 7, width: 5, height: 7 };
    let inner = Region { x: 17, y: 9, width: 23, height: 21 };
    vec![Region::of(image.size()), Region { x: 0, y: 0, width: 1, height: 1 }, corner, inner]
}

#[test]
fn a_preview_has_the_pixels_of_the_result_for_every_filter() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    for (name, fields) in [("a.jpg", vec![("quality", "70")]), ("a.png", vec![("format", "tiff")])]
    {
        let image = picture(directory.path(), name, 311, 203);
        let path = kept(&server, &image);
        let chains = filters().iter().map(|filter| filter.name.to_owned());
        for chain in chains.chain(["blur:9,edges".into(), "equalize,box:30,pixelate:7".into()]) {
            let fields: Vec<_> = fields.iter().copied().chain([("filters", &*chain)]).collect();
            let query: Vec<_> =
                fields.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let job = server.accepted(&image, &fields);
            let result = seen(&server.result(&job));
            assert_same(&server, &path, &query.join("&"), &result, &regions(&result));
        }
    }
    server.stop();
}

#[test]
fn a_preview_has_the_pixels_of_the_result_for_every_kind_of_image() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let chains = ["grayscale", "autolevels,blur", "saturation:2,sharpen", "equalize", "median"];
    for (name, chain) in STILLS.iter().chain(&RARER).zip(chains.iter().cycle()) {
        let original = crate::stills::read(name);
        let (path, job) =
            (kept(&server, &data(name)), server.accepted(&data(name), &[("filters", chain)]));
        let (before, after) = (seen(&original), seen(&server.result(&job)));
        let of_job = format!("/api/jobs/{job}/preview");
        for path in [&path, &of_job] {
            assert_same(&server, path, &format!("filters={chain}"), &after, &regions(&after));
            assert_same(&server, path, "", &before, &regions(&before));
        }
    }
    server.stop();
}

#[test]
fn the_middle_is_shown_unless_another_part_is_named_and_parts_end_at_the_edge() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let image = picture(directory.path(), "a.png", 700, 90);
    let (status, view) = server.submit_for_previews(&image);
    let said = ["name", "format", "width", "height"].map(|key| view[key].clone());
    let meant: [Value; 4] = ["a.png".into(), "png".into(), 700.into(), 90.into()];
    assert_eq!((status, said), (201, meant));
    let whole = seen(&fs::read(&image).unwrap());
    let path = view["links"]["self"].as_str().unwrap();
    let middle = Region { x: 94, y: 0, width: 512, height: 90 };
    assert!(preview(&server, path, "filters=", None) == whole.window(middle).unwrap());
    let edge = Region { x: 690, y: 80, width: 10, height: 10 };
    let clipped = preview(&server, path, "x=690&y=80&width=9999", None);
    assert!(clipped == whole.window(edge).unwrap());
    server.stop();
}

#[test]
fn what_cannot_be_previewed_is_refused_with_the_reason() {
    let directory = TempDir::new().unwrap();
    let limits = [("TILEMILL_LIMITS__PREVIEW", "40 KiB"), ("TILEMILL_LIMITS__MAX_TILE", "700")];
    let server =
        Server::start_with(&directory, &[limits[0], limits[1], ("TILEMILL_TILE__SIZE", "512")]);
    let large = directory.path().join("large.png");
    fs::write(&large, vec![0; 50 << 10]).unwrap();
    let (status, problem) = server.submit_for_previews(&large);
    assert_eq!((status, &problem["code"]), (413, &"too_large".into()), "{problem}");
    assert_eq!(
        (&problem["limit"], &problem["setting"]),
        (&"40 KiB".into(), &"limits.preview".into())
    );
    let text = directory.path().join("text.png");
    fs::write(&text, "text").unwrap();
    let (status, problem) = server.submit_for_previews(&text);
    assert_eq!((status, &problem["code"]), (415, &"invalid_image".into()), "{problem}");
    let image = directory.path().join("wide.png");
    image::GrayImage::new(2000, 2000).save(&image).unwrap();
    let path = kept(&server, &image);
    for (query, status, code) in [
        ("filters=blurr", 422, "invalid_filters"),
        ("filters=blur,equalize", 422, "invalid_filters"),
        ("filters=box:100,box:100", 413, "too_large"),
        ("width=1025", 422, "invalid_option"),
        ("x=2000", 422, "invalid_option"),
        ("x=-1", 400, "malformed_request"),
    ] {
        let (found, problem) = server.get(&format!("{path}?{query}"));
        assert_eq!((found, &problem["code"]), (status, &code.into()), "{query}: {problem}");
    }
    let job = "0".repeat(32);
    for (path, named) in [
        ("/api/previews/0123", "image \"0123\" for previews".to_owned()),
        (&format!("/api/jobs/{job}/preview"), format!("job \"{job}\"")),
    ] {
        let (status, problem) = server.get(path);
        assert_eq!((status, &problem["code"]), (404, &"not_found".into()), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(&named), "{problem}");
    }
    server.stop();
}

#[test]
fn no_more_rows_are_read_than_a_part_and_its_filters_need() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let image = picture(directory.path(), "a.png", 700, 1600);
    let (whole, file) = (fs::read(&image).unwrap(), directory.path().join("cut.png"));
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let (path, source) = (kept(&server, &file), seen(&whole));
    let top = Region { x: 100, y: 0, width: 50, height: 40 };
    assert_same(&server, &path, "", &source, &[top]);
    for query in ["filters=equalize&y=0&height=40", "filters=box&y=1500&height=40"] {
        let (status, problem) = server.get(&format!("{path}?{query}"));
        assert_eq!((status, &problem["code"]), (415, &"invalid_image".into()), "{problem}");
    }
    server.stop();
}

#[test]
fn images_are_kept_without_names_and_the_oldest_give_way() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let before = (tree(directory.path()), open_below(server.pid(), directory.path()));
    let paths: Vec<_> = (0..9).map(|_| kept(&server, &data("grey-8.png"))).collect();
    let statuses: Vec<_> = paths.iter().map(|path| server.get(path).0).collect();
    assert_eq!(statuses, [404, 200, 200, 200, 200, 200, 200, 200, 200]);
    assert_eq!(tree(directory.path()), before.0);
    assert_eq!(open_below(server.pid(), directory.path()), before.1 + 8);
    server.stop();
}
