//! What a `POST /api/v1/scan` asks for, read as the worker will read it.

use apium_core::Signature;
use jiff::Timestamp;
use serde_json::json;

use crate::allowed::Allowed;
use crate::contract::{ScanOptions, ScanRequest, Types};
use crate::error::ScanError;
use crate::order::Order;
use crate::several::Several;
use crate::store::NewScan;
use crate::tasks::perform_osint_scan;

/// A scan that may be sent.
pub(super) struct Wanted {
    /// The target as it is shown.
    pub(super) shown: String,
    /// The type, the types with commas between, or `all`.
    pub(super) collector: String,
    /// What else was chosen, as a text that tells two requests apart.
    pub(super) told: String,
    /// What else was chosen.
    pub(super) options: ScanOptions,
    /// The call.
    pub(super) signature: Signature,
    announced: NewScan,
}

impl Wanted {
    /// Reads a request.
    ///
    /// # Errors
    /// What is wrong with it, for the client.
    pub(super) fn read(request: ScanRequest, allowed: &Allowed) -> Result<Self, ScanError> {
        let ScanRequest { target, collector_type, types, force, options } = request;
        let types = match (collector_type, types) {
            (Some(one), None) => one,
            (None, Some(Types::Text(text))) => text,
            (None, Some(Types::Named(names))) => names.join(","),
            (None, None) => return Err(ScanError::NoType),
            (Some(_), Some(_)) => return Err(ScanError::TwoTypes),
        };
        let options = ScanOptions { axfr: options.axfr, history: options.history, force, ..ScanOptions::default() };
        let now = Timestamp::now();
        let (orders, announced) = if let Some(several) = Several::read(&target, &types, &options)? {
            let announced = several.announced("", "", now).ok_or_else(|| ScanError::nobody_takes(&target))?;
            (several.orders, announced)
        } else {
            let order = Order::read(&target, types.trim(), options.clone())?;
            let announced = order.announced("", "", now);
            (vec![order], announced)
        };
        orders.iter().try_for_each(|order| order.check(allowed))?;
        let (shown, collector) = (announced.target.clone(), announced.collector.clone());
        let told = json!(options).to_string();
        let sent = (options != ScanOptions::default()).then(|| options.clone());
        let signature = perform_osint_scan::s(shown.clone(), collector.clone(), sent);
        Ok(Self { shown, collector, told, options, signature, announced })
    }

    /// How the history knows it.
    pub(super) fn announced(&self, id: &str, owner: &str) -> NewScan {
        NewScan { id: id.to_owned(), owner: owner.to_owned(), ..self.announced.clone() }
    }
}
