//! What is true of every route, written once into the document of the API: who needs a token, how any request may end,
//! and where the identifier in an answer leads.

use utoipa::openapi::link::Link;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};

/// Routes that ask nobody for a token.
const OPEN: [&str; 2] = ["/api/v1/collectors", "/api/v1/health"];
/// The name of the token in the document.
const TOKEN: &str = "token";
/// An identifier, the operations whose answer of this status gives it, and those that take it.
struct Given {
    id: &'static str,
    status: &'static str,
    givers: &'static [&'static str],
    takers: &'static [&'static str],
}

const SCAN: Given = Given {
    id: "task_id",
    status: "202",
    givers: &["scan", "upload"],
    takers: &["status", "follow", "export", "diff", "cancel", "cancel_by_get", "delete"],
};
const REPEAT: Given =
    Given { id: "repeat_id", status: "201", givers: &["keep"], takers: &["show", "pause", "resume", "discard"] };

/// Adds to each operation what its own lines leave out.
pub(super) fn complete(api: &mut OpenApi) {
    for (path, item) in &mut api.paths.paths {
        let open = OPEN.contains(&path.as_str());
        operations(item).for_each(|operation| completed(operation, open));
    }
    let told = "Lo da el administrador. Mientras no haya dado ninguno, no hace falta.";
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(told)).build();
    api.components.get_or_insert_default().add_security_scheme(TOKEN, SecurityScheme::Http(scheme));
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

fn completed(operation: &mut Operation, open: bool) {
    tell(operation, "408", "La petición ha tardado demasiado (`request_timeout`)");
    tell(operation, "500", "Error interno (`internal_error`)");
    if !open {
        tell(operation, "401", "Falta el token o no vale (`unauthorized`)");
        tell(operation, "503", "El historial no responde (`history_unavailable`)");
        // Without one too, as long as none was made.
        let none: [&str; 0] = [];
        operation.security = Some(vec![SecurityRequirement::default(), SecurityRequirement::new(TOKEN, none)]);
    }
    for given in [SCAN, REPEAT] {
        if operation.operation_id.as_deref().is_some_and(|id| given.givers.contains(&id))
            && let Some(RefOr::T(answer)) = operation.responses.responses.get_mut(given.status)
        {
            let link = |taker: &&str| ((*taker).to_owned(), RefOr::T(link(taker, given.id)));
            answer.links.extend(given.takers.iter().map(link));
        }
    }
}

/// An answer that the operation itself does not tell of.
fn tell(operation: &mut Operation, status: &str, description: &str) {
    let told = || RefOr::T(refusal(description));
    operation.responses.responses.entry(status.to_owned()).or_insert_with(told);
}

fn refusal(description: &str) -> Response {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
    ResponseBuilder::new().description(description).content("application/json", body).build()
}

fn link(operation: &str, id: &str) -> Link {
    Link::builder().operation_id(operation).parameter(id, format!("$response.body#/{id}")).build()
}
