//! Arguments bind as Python's do, and misfits are told in Python's words.

use apium_core::argument::{Bound, Parameter, ParameterKind};
use apium_core::protocol::RawJson;

const XY: &[Parameter] = &[Parameter::plain("x", false), Parameter::plain("y", true)];
const ABC: &[Parameter] = &[Parameter::plain("a", false), Parameter::plain("b", false), Parameter::plain("c", false)];

/// `def f(x, *rest, y, **named)`.
const REST: &[Parameter] = &[
    Parameter::plain("x", false),
    Parameter { name: "rest", optional: true, kind: ParameterKind::Rest },
    Parameter { name: "y", optional: false, kind: ParameterKind::NamedOnly },
    Parameter { name: "named", optional: true, kind: ParameterKind::RestNamed },
];

fn json(text: &str) -> RawJson {
    RawJson::parse(text).unwrap()
}

fn refused(parameters: &'static [Parameter], args: &[&str], kwargs: &[(&str, &str)]) -> String {
    let kwargs = kwargs.iter().map(|(name, value)| ((*name).to_owned(), json(value))).collect();
    let error = Bound::bind("f", parameters, args.iter().map(|arg| json(arg)).collect(), kwargs).unwrap_err();
    assert_eq!(error.record().exc_type, "TypeError");
    error.record().message()
}

#[test]
fn binds_by_position_by_name_and_by_default() {
    let mut bound = Bound::bind("f", XY, vec![json("1")], vec![("y".to_owned(), json("[2]"))]).unwrap();
    assert_eq!(bound.required::<i64>("x").unwrap(), 1);
    assert_eq!(bound.take::<Vec<i64>>("y").unwrap(), Some(vec![2]));
    let mut bound = Bound::bind("f", XY, Vec::new(), vec![("x".to_owned(), json("NaN"))]).unwrap();
    assert!(bound.required::<f64>("x").unwrap().is_nan());
    assert_eq!(bound.take::<i64>("y").unwrap(), None);
}

#[test]
fn tells_misfits_as_python_does() {
    assert_eq!(refused(XY, &[], &[]), "f() missing 1 required positional argument: 'x'");
    assert_eq!(refused(ABC, &[], &[]), "f() missing 3 required positional arguments: 'a', 'b', and 'c'");
    assert_eq!(refused(ABC, &["1"], &[]), "f() missing 2 required positional arguments: 'b' and 'c'");
    assert_eq!(refused(XY, &["1", "2", "3"], &[]), "f() takes 2 positional arguments but 3 were given");
    assert_eq!(refused(&XY[..1], &["1", "2"], &[]), "f() takes 1 positional argument but 2 were given");
    assert_eq!(refused(XY, &["1"], &[("z", "2")]), "f() got an unexpected keyword argument 'z'");
    assert_eq!(refused(XY, &["1"], &[("x", "2")]), "f() got multiple values for argument 'x'");
}

#[test]
fn a_value_of_another_type_is_a_type_error_naming_the_argument() {
    let mut bound = Bound::bind("f", XY, vec![json("\"one\"")], Vec::new()).unwrap();
    let error = bound.required::<i64>("x").unwrap_err();
    assert_eq!(error.record().exc_type, "TypeError");
    assert!(error.record().message().starts_with("f() argument 'x': "), "{error}");
}

#[test]
fn the_rest_of_the_arguments_is_gathered() {
    let named = |name: &str, value: &str| (name.to_owned(), json(value));
    let args = ["1", "2", "[3]"].map(json).to_vec();
    let mut bound = Bound::bind("f", REST, args, vec![named("y", "4"), named("z", "5"), named("rest", "6")]).unwrap();
    assert_eq!(bound.required::<i64>("x").unwrap(), 1);
    assert_eq!(bound.required::<RawJson>("rest").unwrap().as_str(), "[2, [3]]");
    assert_eq!(bound.required::<i64>("y").unwrap(), 4);
    let others = bound.required::<std::collections::BTreeMap<String, i64>>("named").unwrap();
    assert_eq!(others.into_iter().collect::<Vec<_>>(), [("rest".to_owned(), 6), ("z".to_owned(), 5)]);
    let mut bound = Bound::bind("f", REST, vec![json("1")], vec![named("y", "4")]).unwrap();
    assert_eq!(bound.required::<Vec<i64>>("rest").unwrap(), [] as [i64; 0]);
    assert_eq!(refused(REST, &["1", "2"], &[]), "f() missing 1 required keyword-only argument: 'y'");
    assert_eq!(refused(REST, &[], &[("y", "1")]), "f() missing 1 required positional argument: 'x'");
}
