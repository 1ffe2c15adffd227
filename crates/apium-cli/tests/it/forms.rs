//! Bodies in every form of Celery's, between real Python and our worker and client.

use crate::console::Console;
use crate::peer::{Python, our_worker};
use crate::place::{Place, Program};
use crate::running::Running;
use crate::server::Server;

/// Celery's names; two of kombu's aliases among them.
const COMPRESSIONS: [&str; 5] = ["zlib", "bzip2", "lzma", "zstd", "brotli"];

/// What everyone is asked to accept here.
const ACCEPT: &str = r#"{"accept_content": ["json", "msgpack", "yaml", "pickle"]}"#;

struct Stage {
    server: Server,
    place: Place,
    python: Python,
}

impl Stage {
    fn new(conf: &'static str) -> Self {
        let server = Server::start();
        Self { place: Place::on(&server.url()), python: Python::with_celery("5.7").set(conf), server }
    }

    fn ours(&self, further: &[&str]) -> Running {
        our_worker(&self.place, further)
    }

    fn stock(&self, queues: &str) -> Running {
        self.python.worker(&self.server.url(), queues, "{}")
    }

    fn console(&self) -> Console {
        Console::open(&self.python, &self.server.url())
    }

    fn call(&self, arguments: &[&str]) -> String {
        self.place.run(Program::Apium, &[&["call"], arguments, &["--wait"]].concat()).printed()
    }
}

#[test]
fn every_compression_both_ways() {
    let stage = Stage::new("{}");
    let ours = stage.ours(&["-Q", "ours"]);
    let mut console = stage.console();
    for name in COMPRESSIONS {
        let sent = format!("send('probe.echo', [['ünï' * 9000, 1.5]], queue='ours', compression={name:?})");
        assert!(console.holds(&format!("{sent}.get(timeout=30) == ['ünï' * 9000, 1.5]")), "{name}");
    }
    drop(ours);
    let _stock = stage.stock("celery");
    for name in ["gzip", "bzip2", "xz", "zstd", "brotli"] {
        let text = format!("\"{}\"", "long ".repeat(2000));
        assert_eq!(stage.call(&["app.echo", "-a", &format!("[{text}]"), "--task-compression", name]), text, "{name}");
    }
}

#[test]
fn compressed_results_both_ways() {
    let stage = Stage::new(r#"{"result_compression": "zstd"}"#);
    let _stock = stage.stock("celery");
    let _ours = stage.ours(&["-Q", "ours", "--result-compression", "gzip"]);
    let mut console = stage.console();
    assert!(console.holds("(r := send('probe.echo', ['x' * 9000], queue='ours')).get(timeout=30) == 'x' * 9000"));
    let id = console.text("r.id");
    let stored: Vec<u8> = stage.server.look().ask(&["GET", &format!("celery-task-meta-{id}")]);
    assert!(stored.starts_with(b"\0celery-compressed\0application/x-gzip\0\x78\x9c"), "a zlib stream, marked");
    assert!(console.holds("r.info == 'x' * 9000 and r.state == 'SUCCESS'"));
    let raised = console.raises("send('probe.divide', [1, 0], queue='ours').get(timeout=30)");
    assert_eq!(raised.exception, "builtins.ZeroDivisionError");
    assert_eq!(stage.call(&["app.echo", "-a", "[[1, 2]]", "--queue", "celery"]), "[1, 2]");

    // Parts of a chord end on both kinds of workers, and either sends the body.
    let part = |queue: &str, n: usize| format!("signature('mix.add', ({n}, {n}), queue='{queue}')");
    for (body, round) in [("ours", 1), ("celery", 2), ("ours", 3)] {
        let parts: Vec<_> = (0..8).map(|n| part(if n % 2 == 0 { "ours" } else { "celery" }, n)).collect();
        let chord = format!("chord([{}], signature('mix.total', queue='{body}'))()", parts.join(", "));
        assert_eq!(console.value(&format!("{chord}.get(timeout=30)")), "56", "{round}");
    }
    console.value("(g := group([signature('app.add', (1,))]).apply_async()).save()");
    let group = console.text("g.id");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let saved = runtime.block_on(async {
        let backend = apium::open(&stage.server.url(), None).await.unwrap();
        backend.results.chords().group(&group).await.unwrap().unwrap()
    });
    assert!(saved.to_string().contains(&group), "{saved}");
}

#[test]
fn results_in_msgpack_and_yaml_both_ways() {
    for (form, conf) in [
        ("msgpack", r#"{"result_serializer": "msgpack", "accept_content": ["json", "msgpack"]}"#),
        ("yaml", r#"{"result_serializer": "yaml", "accept_content": ["json", "yaml"]}"#),
    ] {
        let stage = Stage::new(conf);
        let _stock = stage.stock("celery");
        let _ours = stage.ours(&["-Q", "ours", "--result-serializer", form]);
        let mut console = stage.console();
        let values = "[None, True, -1, 2**40, 1.5, 'é😀', 'yes', {'a': [1]}, b'\\xff']";
        assert!(
            console.holds(&format!("(r := send('probe.echo', [{values}], queue='ours')).get(timeout=30) == {values}"))
        );
        let id = console.text("r.id");
        let stored: Vec<u8> = stage.server.look().ask(&["GET", &format!("celery-task-meta-{id}")]);
        assert!(stored.starts_with(if form == "msgpack" { b"\x86\xa6sta" } else { b"{\"stat" }), "{stored:?}");
        let raised = console.raises("send('probe.divide', [1, 0], queue='ours').get(timeout=30)");
        assert_eq!(raised.exception, "builtins.ZeroDivisionError", "{form}");
        let call = |further: &[&str]| {
            let call = ["call", "app.echo", "-a", "[[1, \"yes\", null]]", "--queue", "celery", "--wait"];
            stage.place.run(Program::Apium, &[&call, further].concat())
        };
        assert_eq!(call(&["--result-serializer", form]).printed(), "[1, \"yes\", null]");
        let told = call(&[]).sentence();
        assert!(told.contains(&format!("it begins like {form}: set result_serializer to {form} here too")), "{told}");

        // Parts of a chord end on both kinds of workers, and either sends the body.
        for body in ["ours", "celery"] {
            let part = |n: usize| format!("signature('mix.add', ({n}, {n}), queue='{}')", ["ours", "celery"][n % 2]);
            let parts: Vec<_> = (0..6).map(part).collect();
            let chord = format!("chord([{}], signature('mix.total', queue='{body}'))()", parts.join(", "));
            assert_eq!(console.value(&format!("{chord}.get(timeout=30)")), "30", "{form}, {body}");
        }
    }
}

#[test]
fn msgpack_and_yaml_both_ways() {
    let stage = Stage::new(ACCEPT);
    let ours = stage.ours(&["-Q", "ours", "--accept-content", "json,msgpack,yaml"]);
    let mut console = stage.console();
    let values = "[None, True, -1, 2**40, 1.5, 1e22, 'é😀', 'yes', {'a': [1]}, b'\\xff']";
    for serializer in ["msgpack", "yaml"] {
        let sent =
            format!("send('probe.echo', [{values}], queue='ours', serializer={serializer:?}, compression='gzip')");
        assert!(console.holds(&format!("{sent}.get(timeout=30) == {values}")), "{serializer}");
    }
    // PyYAML itself writes no signature.
    let chained = "chain(signature('mix.add', (1, 2), queue='ours', serializer='msgpack'), \
                   signature('mix.add', (3,), queue='ours', serializer='msgpack'))()";
    assert_eq!(console.value(&format!("{chained}.get(timeout=30)")), "6");
    let moment = "datetime.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=datetime.timezone.utc)";
    let sent = format!("send('probe.echo', [{moment}], queue='ours', serializer='yaml')");
    assert!(console.holds(&format!("{sent}.get(timeout=30) == {moment}")));
    drop(ours);
    let _stock = stage.stock("celery");
    let odd = "[null, true, -1, 1099511627776, 1.5, 1e+22, \"\\u00e9\", \"yes\", \"1:30\", {\"a\": [1]}]";
    for serializer in ["msgpack", "yaml", "pickle"] {
        let echoed = stage.call(&["app.echo", "-a", &format!("[{odd}]"), "--task-serializer", serializer]);
        assert_eq!(echoed, odd, "{serializer}");
    }
}

#[test]
fn pickle_is_refused_by_name_and_once_switched_on_is_data() {
    let stage = Stage::new(ACCEPT);
    let mut console = stage.console();
    let ours = stage.ours(&[]);
    let refused = console.raises("send('probe.greet', ['Ada'], serializer='pickle').get(timeout=30)");
    assert_eq!(refused.exception, "kombu.exceptions.ContentDisallowed");
    assert!(refused.says.contains("it is pickle") && refused.says.contains("accept_content is json"), "{refused:?}");
    drop(ours);

    let _ours = stage.ours(&["--accept-content", "json,pickle"]);
    let values =
        "[datetime.datetime(2026, 1, 2, 3, 4, 5), decimal.Decimal('1.10'), uuid.UUID(int=5), b'\\xff', 10**30]";
    assert!(console.holds(&format!("send('probe.echo', [{values}], serializer='pickle').get(timeout=30) == {values}")));
    let chained = "chain(signature('mix.add', (1, 2), serializer='pickle'), signature('mix.add', (3,)))()";
    assert_eq!(console.value(&format!("{chained}.get(timeout=30)")), "6");

    let owned = stage.place.path("owned");
    let evil = format!(
        "type('Evil', (), {{'__reduce__': lambda self: (__import__('os').system, ('touch {}',))}})()",
        owned.display()
    );
    let refused = console.raises(&format!("send('probe.echo', [{evil}], serializer='pickle').get(timeout=30)"));
    assert_eq!(refused.exception, "kombu.exceptions.DecodeError");
    assert!(refused.says.contains("posix.system"), "{refused:?}");
    assert!(!owned.exists(), "nothing was executed");
    let letters = stage.place.run(Program::Probe, &["dead", "list", "--json"]).json().to_string();
    assert!(letters.contains("posix.system") && letters.contains("it is pickle"), "{letters}");
}

#[test]
fn signed_bodies_are_verified() {
    let stage = Stage::new("{}");
    std::fs::create_dir(stage.place.path("certs")).unwrap();
    let path = |name: &str| stage.place.path(name).display().to_string();
    let made = |name: &str, certificate: &str| {
        let (key, certificate) = (path(&format!("{name}.key")), path(certificate));
        let arguments = ["keys.py", name, &key, &certificate];
        let made = Running::start(stage.python.command(&stage.server.url(), &arguments)).ended();
        assert_eq!(made.code, Some(0));
        format!(
            "__import__('celery.security.serialization', fromlist=['x']).register_auth(key=open({key:?}).read(), \
             cert=open({certificate:?}).read(), store={:?}, digest='sha256')",
            path("certs/*.pem")
        )
    };
    let (ours, stranger) = (made("trusted", "certs/trusted.pem"), made("stranger", "stranger.pem"));
    let _worker = stage.ours(&["--accept-content", "json,auth", "--security-cert-store", &path("certs")]);
    let mut console = stage.console();
    console.value(&ours);
    let signed = "send('probe.greet', ['Ada'], serializer='auth', compression='zstd').get(timeout=30)";
    assert_eq!(console.value(signed), "'Hello, Ada!'");
    // Another's signature, and one that belongs to another body.
    console.value(&stranger);
    let refused = console.raises(signed);
    assert_eq!(refused.exception, "kombu.exceptions.ContentDisallowed");
    assert!(refused.says.contains("stranger") && refused.says.contains("security_cert_store"), "{refused:?}");
    console.value(&ours);
    console.value("(auth := __import__('kombu').serialization.registry._encoders['auth'])");
    console.value("(b64 := __import__('base64'))");
    console.value(
        "__import__('kombu').serialization.registry._encoders.update(auth=auth._replace(encoder=lambda data: \
         b64.b64encode(b64.b64decode(auth.encoder(data)).replace(b'Ada', b'Eve')).decode()))",
    );
    let refused = console.raises(signed);
    assert!(refused.says.contains("it was changed, or signed by another"), "{refused:?}");
}

#[test]
fn a_bomb_is_a_dead_letter_and_the_worker_goes_on() {
    let stage = Stage::new("{}");
    let worker = stage.ours(&["--largest-body", "1000000"]);
    let mut console = stage.console();
    for name in COMPRESSIONS {
        let sent = format!("send('probe.echo', [' ' * 50_000_000], compression={name:?}, argsrepr='…')");
        let refused = console.raises(&format!("{sent}.get(timeout=60)"));
        assert_eq!(refused.exception, "kombu.exceptions.DecodeError", "{name}");
        assert!(refused.says.contains("largest_body allows, 1000000 bytes"), "{name}: {refused:?}");
    }
    assert_eq!(console.value("send('probe.greet', ['Ada'], compression='gzip').get(timeout=30)"), "'Hello, Ada!'");
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 150_000, "the worker took {peak} kB");
    assert_eq!(worker.stop().code, Some(0));
}
