//! What a person is told whose target is refused: what the text is, and what would do instead.

use svc_osint::collectors::Collector;
use svc_osint::target::Target;

fn told(target: &str, collector: &str) -> String {
    let accepted = Collector::named(collector).unwrap().takes_texts();
    Target::parse_for(target, &accepted).unwrap_err().to_string()
}

#[test]
fn a_refused_target_is_called_what_it_is() {
    let cases = [
        ("localhost", "«localhost» es un nombre de red interna, no un dominio público"),
        ("LOCALHOST.", "«LOCALHOST.» es un nombre de red interna, no un dominio público"),
        ("intranet", "«intranet» es un nombre de red interna, no un dominio público"),
        ("com", "«com» no es un dominio, sino solo una terminación: escriba también el nombre (ejemplo.com)"),
        ("ejemplo", "«ejemplo» no es un dominio: le falta la extensión (.es, .com…)"),
        ("@juan", "«@juan» es un nombre de usuario, y aquí no sirve"),
        ("ana@ejemplo.es", "«ana@ejemplo.es» es un correo electrónico, y aquí no sirve"),
        ("a.b@c", "«a.b@c» parece un correo electrónico, y aquí no sirve"),
        ("file:abc", "«file:abc» es un fichero subido (file:ID), y aquí no sirve"),
        ("ejemplo.es:80", "«ejemplo.es:80» lleva un puerto: escriba solo «ejemplo.es»"),
        ("192.0.2.1:443", "«192.0.2.1:443» lleva un puerto: escriba solo «192.0.2.1»"),
        ("localhost:8080", "«localhost» es un nombre de red interna, no un dominio público"),
        ("*.ejemplo.es", "«*.ejemplo.es» lleva un comodín: escriba solo «ejemplo.es»"),
        (
            "'; DROP TABLE scans; --",
            "«'; DROP TABLE scans; --» no es un nombre de dominio: solo letras, cifras y guiones (no al principio ni \
             al final), de 1 a 63 caracteres entre puntos y 253 en total",
        ),
    ];
    for collector in ["dns", "metadata"] {
        for (target, sentence) in cases.iter().filter(|(target, _)| collector == "dns" || *target != "192.0.2.1:443") {
            let told = told(target, collector);
            assert!(told.starts_with(&format!("{sentence}. Se admite ")), "{collector} {target}: {told}");
        }
    }
}

#[test]
fn an_address_written_otherwise_is_shown_as_it_should_be() {
    let cases = [
        ("[::1]", "«[::1]» lleva corchetes: escriba solo «::1»"),
        ("[2001:db8::1]:443", "«[2001:db8::1]:443» lleva un puerto: escriba solo «2001:db8::1»"),
        ("192.0.2.0/24", "«192.0.2.0/24» es un rango de direcciones, no una sola: escriba una, como «192.0.2.0»"),
        ("2001:db8::/32", "«2001:db8::/32» es un rango de direcciones, no una sola: escriba una, como «2001:db8::»"),
        ("fe80::1%eth0", "«fe80::1%eth0» lleva el nombre de una interfaz: escriba solo «fe80::1»"),
        (
            "2001:db8:::1",
            "«2001:db8:::1» no es una dirección IPv6: son hasta ocho grupos de cifras hexadecimales separados por «:», \
             y «::» aparece una vez como máximo",
        ),
        (
            "127.1",
            "«127.1» no es una dirección IP: IPv4 se escribe con cuatro números decimales de 0 a 255 y puntos entre \
             ellos, sin ceros delante",
        ),
        ("ejemplo.es/aviso", "«ejemplo.es/aviso» lleva una ruta: escriba solo «ejemplo.es»"),
        ("ftp://ejemplo.es/", "«ftp://ejemplo.es/» parece una URL, y aquí no sirve"),
        ("file:///etc/passwd", "«file:///etc/passwd» parece una URL, y aquí no sirve"),
        ("mailto:ana@ejemplo.es", "«mailto:ana@ejemplo.es» parece una URL, y aquí no sirve"),
        ("javascript:alert(1)", "«javascript:alert(1)» parece una URL, y aquí no sirve"),
    ];
    for (target, sentence) in cases {
        let told = told(target, "dns");
        assert!(told.starts_with(&format!("{sentence}. Se admite un dominio")), "{target}: {told}");
    }
}

#[test]
fn where_a_url_would_do_the_sentence_says_how_to_write_it() {
    let cases = [
        ("ejemplo.es/aviso", "«ejemplo.es/aviso» no es una URL completa: escriba «https://ejemplo.es/aviso»"),
        ("192.0.2.1", "«192.0.2.1» es una dirección IP (192.0.2.1 o 2001:db8::1), y aquí no sirve"),
        ("[::1]", "«::1» es una dirección IP (192.0.2.1 o 2001:db8::1), y aquí no sirve"),
        ("192.0.2.1:443", "«192.0.2.1» es una dirección IP (192.0.2.1 o 2001:db8::1), y aquí no sirve"),
        ("2130706433", "«2130706433» parece una dirección IP, y aquí no sirve"),
        ("ftp://ejemplo.es/", "«ftp://ejemplo.es/» no es una URL válida: solo http y https"),
        ("file:///etc/passwd", "«file:///etc/passwd» no es una URL válida: solo http y https"),
        ("javascript:alert(1)", "«javascript:alert(1)» no es una URL válida: solo http y https"),
    ];
    for (target, sentence) in cases {
        let told = told(target, "metadata");
        let accepted = ". Se admite un dominio (ejemplo.es) o una URL http o https.";
        assert_eq!(told, format!("{sentence}{accepted}"), "{target}");
    }
}

#[test]
fn a_text_wrapped_many_times_is_not_unwrapped_for_long() {
    for text in ["[".repeat(1_000) + &"]".repeat(1_000), "*.".repeat(1_000), ":1".repeat(1_000), "a/".repeat(1_000)] {
        assert!(told(&text, "dns").len() < 400, "{text}");
        assert!(told(&text, "metadata").len() < 400, "{text}");
    }
}
