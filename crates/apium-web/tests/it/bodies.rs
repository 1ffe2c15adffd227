//! What is wrong with a body is told in Spanish, with its place, and nothing is read that was not meant.

use apium_web::{Json, manners};
use axum::Router;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{body, posted};
use tower::ServiceExt;

#[derive(Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Order {
    name: String,
    #[serde(default)]
    options: Options,
    #[serde(default)]
    lines: Vec<Line>,
    color: Option<Color>,
    pair: Option<(u8, bool)>,
    when: Option<uuid::Uuid>,
    ratio: Option<f64>,
    offset: Option<i64>,
}

#[derive(Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Options {
    fast: Option<bool>,
}

#[derive(Debug, Deserialize, Serialize, PartialEq)]
struct Line {
    count: u32,
}

#[derive(Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Color {
    Red,
    Blue,
    Mixed(u8),
}

async fn answer(text: &str) -> (u16, Value) {
    let router = manners(Router::new().route("/", post(|Json(order): Json<Order>| async { Json(order) })));
    let response = router.oneshot(posted("/", Some("application/json"), text)).await.unwrap();
    (response.status().as_u16(), body(response).await)
}

async fn refused(text: &str) -> (u16, String) {
    let (status, body) = answer(text).await;
    assert_eq!(body["error"]["message"], body["detail"]);
    (status, body["detail"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn another_shape_is_told_in_spanish_with_its_place() {
    let cases = [
        ("{}", "falta el campo «name»"),
        (r#"["a"]"#, "el cuerpo debe ser un objeto, no una lista"),
        (r#""a""#, "el cuerpo debe ser un objeto, no un texto"),
        ("null", "el cuerpo debe ser un objeto, no null"),
        ("7", "el cuerpo debe ser un objeto, no un número"),
        (r#"{"name": 1}"#, "el campo «name» debe ser un texto, no un número"),
        (r#"{"name": null}"#, "el campo «name» debe ser un texto, no null"),
        (r#"{"name": ["a"]}"#, "el campo «name» debe ser un texto, no una lista"),
        (r#"{"name": "a", "name": "b"}"#, "el campo «name» está dos veces"),
        (r#"{"name": "a", "options": [true]}"#, "el campo «options» debe ser un objeto, no una lista"),
        (
            r#"{"name": "a", "options": {"fast": 1}}"#,
            "el campo «options.fast» debe ser verdadero o falso, no un número",
        ),
        (r#"{"name": "a", "options": {"fats": true}}"#, "el campo «options.fats» no se conoce; se admiten «fast»"),
        (r#"{"name": "a", "lines": [{"count": 1}, {}]}"#, "falta el campo «lines[1].count»"),
        (r#"{"name": "a", "lines": [[1]]}"#, "el campo «lines[0]» debe ser un objeto, no una lista"),
        (
            r#"{"name": "a", "lines": [{"count": -1}]}"#,
            "el campo «lines[0].count» debe ser un número entero no negativo de su tamaño, no un número",
        ),
        (r#"{"name": "a", "color": "green"}"#, "el campo «color» debe ser «red», «blue» o «mixed»"),
        (r#"{"name": "a", "color": {"red": null, "blue": null}}"#, "el campo «color» no puede ser un objeto"),
        (r#"{"name": "a", "pair": [1, true, 2]}"#, "el campo «pair» no tiene un valor válido"),
        (r#"{"name": "a", "when": "ayer"}"#, "el campo «when» no tiene un valor válido"),
    ];
    for (text, why) in cases {
        let expected = format!("El cuerpo no tiene la forma esperada: {why}.");
        assert_eq!(refused(text).await, (422, expected), "{text}");
    }
}

#[tokio::test]
async fn what_is_no_json_is_told_in_spanish() {
    let cases = [
        ("", "El cuerpo está vacío; debe ser JSON."),
        (r#"{"name""#, "El cuerpo no es JSON: se acaba antes de tiempo (línea 1, columna 7)."),
        ("{\n  name: 1}", "El cuerpo no es JSON: hay un error en la línea 2, columna 3."),
        (r#"{"name": "a"} x"#, "El cuerpo no es JSON: hay un error en la línea 1, columna 15."),
    ];
    for (text, sentence) in cases {
        assert_eq!(refused(text).await, (400, sentence.to_owned()), "{text}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(refused(&deep).await.0, 400);
}

#[tokio::test]
async fn names_from_a_client_are_shown_short_and_plain() {
    let long = json!({ "name": "a", "x".repeat(5_000): 1 }).to_string();
    let (status, sentence) = refused(&long).await;
    assert!(status == 422 && sentence.chars().count() < 300, "{sentence}");
    let (_, sentence) = refused(r#"{"name": "a", "\u001b[31m": 1}"#).await;
    assert!(!sentence.contains('\u{1b}'), "{sentence}");
}

#[tokio::test]
async fn what_has_the_right_shape_is_read_whole() {
    let order = json!({
        "name": "España", "options": { "fast": true }, "lines": [{ "count": 4_294_967_295_u32 }],
        "color": { "mixed": 7 }, "pair": [1, false], "when": "6f1c1d0e-1111-4222-8333-444455556666",
        "ratio": 0.1, "offset": -9_223_372_036_854_775_808_i64,
    });
    assert_eq!(answer(&order.to_string()).await, (200, order));
    let (status, read) = answer(r#"{"name": "a", "color": "red", "ratio": 2}"#).await;
    assert_eq!((status, &read["color"], &read["ratio"]), (200, &json!("red"), &json!(2.0)));
}
