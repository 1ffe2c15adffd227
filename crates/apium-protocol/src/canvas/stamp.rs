//! Stamps: values written on every task of a canvas, and on what is linked to them, by which they can be revoked
//! together.

use crate::RawJson;

use super::{CanvasError, Options, Shape, Signature, options::update, signature::Chord};

impl Signature {
    /// Celery's `stamp(**headers)`: marks every task with these values, and everything linked to it. The body of a
    /// chord is left out, as in Celery, where only a visitor reaches it. Where a task has such a stamp already, it is
    /// kept in a list with the new one if `append`, and the new one takes its place if not.
    ///
    /// # Errors
    /// When a link is no signature.
    pub fn stamp(&mut self, headers: &[(String, RawJson)], append: bool) -> Result<(), CanvasError> {
        let given: Options = headers.iter().cloned().collect();
        self.stamp_with(&given, append)
    }

    fn stamp_with(&mut self, given: &Options, append: bool) -> Result<(), CanvasError> {
        match self.shape {
            Shape::Chain(_) | Shape::Group(_) | Shape::Chord(_) => {
                let all = headers(given, Some(&self.options), append);
                // A chain does not pass `append` on to its own links.
                self.stamp_links(&all, append && !matches!(self.shape, Shape::Chain(_)))?;
                let (Shape::Chain(members) | Shape::Group(members) | Shape::Chord(Chord { header: members, .. })) =
                    &mut self.shape
                else {
                    return Ok(());
                };
                members.iter_mut().try_for_each(|member| member.stamp_with(&all, append))
            }
            Shape::Task | Shape::Chunks | Shape::Map | Shape::Starmap => {
                self.stamp_links(given, append)?;
                let all = headers(given, Some(&self.options), append);
                self.options.update(all);
                Ok(())
            }
        }
    }

    fn stamp_links(&mut self, given: &Options, append: bool) -> Result<(), CanvasError> {
        for name in ["link", "link_error"] {
            let links = self.options.list(name)?;
            if links.is_empty() {
                continue;
            }
            let given = headers(given, None, append);
            let mut stamped = Vec::with_capacity(links.len());
            for link in links {
                let mut link = Self::decode(&link)?;
                link.stamp_with(&given, append)?;
                stamped.push(link.to_json()?);
            }
            let single = self.options.get(name).is_some_and(RawJson::is_object);
            let links = if single { stamped.pop().unwrap_or_default() } else { RawJson::array(&stamped) };
            self.options.set(name, links);
        }
        Ok(())
    }
}

/// The stamps given, with their names in `stamped_headers`, together with those in `own`.
fn headers(given: &Options, own: Option<&Options>, append: bool) -> Options {
    let mut all = given.clone();
    let mut names = given.stamped();
    if !given.has("stamped_headers") {
        names.extend(given.iter().map(|(name, _)| name.to_owned()));
    }
    if let Some(own) = own {
        for name in own.stamped() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        for name in names.iter().filter(|name| *name != "stamped_headers") {
            match (all.get(name), own.get(name)) {
                (Some(new), Some(old)) => {
                    let value = together(new, old, append);
                    all.set(name, value);
                }
                (None, Some(old)) => all.set(name, old.clone()),
                (_, None) => {}
            }
        }
    }
    let names: Vec<_> = names.iter().map(|name| RawJson::string(name)).collect();
    all.set("stamped_headers", RawJson::array(&names));
    all
}

/// A stamp given again: lists are joined, objects merged, other values listed if `append`, else the new one counts.
fn together(new: &RawJson, old: &RawJson, append: bool) -> RawJson {
    if let Ok(mut members) = new.members() {
        let Ok(olds) = old.members() else {
            return new.clone();
        };
        for (key, old) in olds {
            let value = match members.iter().find(|(name, _)| *name == key) {
                Some((_, new)) => together(new, &old, append),
                None => old,
            };
            update(&mut members, [(key, value)]);
        }
        return RawJson::object(&members);
    }
    let mut items = match new.elements() {
        Ok(items) => items,
        Err(_) if !append => return new.clone(),
        Err(_) if new.is_null() => Vec::new(),
        Err(_) => vec![new.clone()],
    };
    match old.elements() {
        Ok(olds) => items.extend(olds),
        Err(_) if append => items.push(old.clone()),
        Err(_) => {}
    }
    RawJson::array(&items)
}
