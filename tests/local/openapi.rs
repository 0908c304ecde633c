//! The description of the API, and the table of metrics, compared with the routes and with what the server really says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Server, data, raw};

/// Methods and paths, as the sources list them.
fn routes() -> BTreeSet<(String, String)> {
    let sources = include_str!("../../src/http/routes.rs");
    let mut routes = BTreeSet::new();
    let mut scope = "/api";
    for part in sources.split("at(\"/").skip(1) {
        let (path, methods) = part.split_once('"').unwrap();
        for (call, method) in
            [("read()", "get"), ("get()", "get"), ("post()", "post"), ("delete()", "delete")]
        {
            let methods = methods.split("fn read").next().unwrap();
            if methods.contains(call) {
                routes.insert((method.to_owned(), format!("{scope}/{path}")));
            }
        }
        if methods.contains("default_service") {
            scope = "";
        }
    }
    routes
}

fn described(description: &Value) -> BTreeSet<(String, String)> {
    let mut operations = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        operations.extend(methods.as_object().unwrap().keys().map(|m| (m.clone(), path.clone())));
    }
    operations
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let (status, description) = server.get("/api/openapi.json");
    assert_eq!(status, 200);
    assert_eq!(described(&description), routes());
    server.stop();
}

#[test]
fn a_wrong_method_is_answered_with_those_that_are_described() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let mut methods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (method, path) in described(&server.get("/api/openapi.json").1) {
        let methods = methods.entry(path.clone()).or_default();
        // The one stream has no end, so it has no head alone.
        if method == "get" && path != "/api/events" {
            methods.insert("HEAD".into());
        }
        methods.insert(method.to_uppercase());
    }
    methods.insert("/".into(), ["GET", "HEAD"].map(String::from).into());
    for (path, methods) in methods {
        let path = path.replace(['{', '}'], "");
        let request = format!("PATCH {path} HTTP/1.1\r\nhost: {}\r\n\r\n", server.address());
        let (status, head, problem) = raw(server.address(), request.as_bytes());
        assert_eq!((status, &problem["code"]), (405, &"wrong_method".into()), "{path}");
        let allowed = head.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap();
        assert_eq!(
            allowed.split(", ").map(String::from).collect::<BTreeSet<_>>(),
            methods,
            "{path}"
        );
    }
    server.stop();
}

/// What a server tells only when something has written into its topics that no role can read.
const OF_STRANGERS: &str = "tilemill_records_put_aside_total";

#[test]
fn every_metric_is_in_the_table_and_nothing_else() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    server.ended(&server.accepted(&data("grey-8.png"), &[]));
    server.get_until("/api/workers", |workers| workers[0]["done"] == 1);
    let text = String::from_utf8(server.bytes("/metrics")).unwrap();
    let mut documented = crate::told::documented();
    documented.remove(OF_STRANGERS);
    assert_eq!(crate::told::served(&text), documented);
    server.stop();
}

#[test]
fn everything_described_says_what_it_is() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let description = server.get("/api/openapi.json").1;
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                let body = &response["content"];
                let bare = ["204", "206", "304", "412", "416"].contains(&status.as_str());
                assert!(bare || body.is_object(), "{method} {path} {status}");
            }
        }
    }
    for (name, schema) in description["components"]["schemas"].as_object().unwrap() {
        for (field, of) in schema["properties"].as_object().into_iter().flatten() {
            let explained = of.to_string().contains("\"description\"");
            assert!(explained, "{name}.{field} is not explained: {of}");
        }
    }
    server.stop();
}

/// What a schema says is wrong with a value, as a list of places; enough of JSON Schema for ours.
fn faults(description: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = description.pointer(&name[1..]).unwrap();
        return faults(description, schema, value, at);
    }
    let of = |schemas: &Value| -> Vec<Vec<String>> {
        let schemas = schemas.as_array().into_iter().flatten();
        schemas.map(|schema| faults(description, schema, value, at)).collect()
    };
    let mut found: Vec<String> = of(&schema["allOf"]).concat();
    let choices = of(&schema["oneOf"]);
    if !choices.is_empty() && choices.iter().all(|faults| !faults.is_empty()) {
        found.push(format!("{at} is none of the choices: {value}"));
    }
    if !has_type(&schema["type"], value) {
        found.push(format!("{at} is no {}: {value}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|values| !values.contains(value)) {
        found.push(format!("{at} is not in {}: {value}", schema["enum"]));
    }
    for item in value.as_array().into_iter().flatten() {
        found.extend(faults(description, &schema["items"], item, &format!("{at}[]")));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            found.push(format!("{at} lacks {name}"));
        }
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            found.extend(faults(description, schema, value, &format!("{at}.{name}")));
        }
    }
    found
}

fn has_type(types: &Value, value: &Value) -> bool {
    let fits = |name: &Value| match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the test does not know the type {other}"),
    };
    match types {
        Value::Null => true,
        Value::Array(names) => names.iter().any(fits),
        name => fits(name),
    }
}

/// The names of all fields that a schema knows.
fn fields(description: &Value, schema: &Value) -> BTreeSet<String> {
    if let Some(name) = schema["$ref"].as_str() {
        return fields(description, description.pointer(&name[1..]).unwrap());
    }
    let mut names = BTreeSet::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        names.extend(fields(description, part));
    }
    names.extend(schema["properties"].as_object().into_iter().flatten().map(|(n, _)| n.clone()));
    names
}

#[test]
fn real_answers_are_as_described() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let description = server.get("/api/openapi.json").1;
    let broken = directory.path().join("broken.png");
    let whole = fs::read(data("interlaced.png")).unwrap();
    fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let batch = "0123456789abcdef0123456789abcdef";
    let complete = server.accepted(&data("rgba-16.png"), &[("format", "jpeg"), ("batch", batch)]);
    let failed = server.accepted(&broken, &[]);
    for job in [&complete, &failed] {
        server.ended(job);
    }
    server.get_until("/api/workers", |workers| !workers[0].is_null());
    let problem = server.submit(&data("grey-8.png"), &[("quality", "0")]).1;
    let large = server.submit(&data("grey-8.png"), &[("tile_size", "9000")]).1;
    for (schema, answer) in [
        ("JobView", server.get(&format!("/api/jobs/{complete}")).1),
        ("JobView", server.get(&format!("/api/jobs/{failed}")).1),
        ("JobPage", server.get("/api/jobs").1),
        ("BatchView", server.get(&format!("/api/batches/{batch}")).1),
        ("LimitsView", server.get("/api/limits").1),
        ("WorkerView", server.get("/api/workers").1[0].clone()),
        ("QueueView", server.get("/api/queue").1),
        ("FilterView", server.get("/api/filters").1[0].clone()),
        ("Problem", problem),
        ("Problem", large),
    ] {
        let schema = &description["components"]["schemas"][schema];
        assert_eq!(faults(&description, schema, &answer, "answer"), [""; 0], "{answer}");
        let known = fields(&description, schema);
        let told: BTreeSet<_> = answer.as_object().unwrap().keys().cloned().collect();
        assert!(told.is_subset(&known), "{told:?} has more than {known:?}");
    }
    server.stop();
}

#[test]
fn all_filters_are_as_described() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let description = server.get("/api/openapi.json").1;
    let schema = &description["components"]["schemas"]["FilterView"];
    for filter in server.get("/api/filters").1.as_array().unwrap() {
        assert_eq!(faults(&description, schema, filter, "filter"), [""; 0], "{filter}");
    }
    server.stop();
}

/// Generated clients look for an array of numbers, or for nothing, where an image is described otherwise.
#[test]
fn images_and_archives_are_described_as_bytes() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let description = server.get("/api/openapi.json").1;
    let bytes = serde_json::json!({"type": "string", "format": "binary"});
    let mut images = 0;
    for operation in description["paths"].as_object().unwrap().values().map(|path| &path["get"]) {
        let (whole, part) = (&operation["responses"]["200"], &operation["responses"]["206"]);
        for (kind, content) in whole["content"].as_object().into_iter().flatten() {
            if kind.starts_with("image/") || kind == "application/zip" {
                assert_eq!(content["schema"], bytes, "{kind}: {operation}");
                images += 1;
            }
        }
        assert!(part.is_null() || part["content"] == whole["content"], "{operation}");
    }
    assert_eq!(images, 18);
    server.stop();
}

#[test]
fn answers_that_ask_to_come_back_say_when() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let description = server.get("/api/openapi.json").1;
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (status, answer) in
            methods.as_object().unwrap().values().flat_map(|o| o["responses"].as_object().unwrap())
        {
            let comes_back = ["429", "503"].contains(&status.as_str());
            assert_eq!(answer["headers"]["Retry-After"].is_object(), comes_back, "{path} {status}");
        }
    }
    server.stop();
}

#[test]
fn every_field_of_the_form_is_understood() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let description = server.get("/api/openapi.json").1;
    let image = data("grey-8.png");
    for field in fields(&description, &description["components"]["schemas"]["NewJob"]) {
        let (_, problem) = server.submit(&image, &[(&field, "?")]);
        let detail = problem["detail"].as_str().unwrap();
        assert!(!detail.contains("the form has an unknown field"), "{field}: {detail}");
    }
    server.stop();
}
