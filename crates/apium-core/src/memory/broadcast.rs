//! What is said in memory: every ear is told at once.

use apium_protocol::control::ReplyTo;
use async_trait::async_trait;

use super::Memory;
use crate::broadcast::{Broadcast, Ear, Heard, Topic, Voice};
use crate::error::BackendError;

/// Everyone who listens.
#[derive(Default)]
pub(super) struct Ears {
    listeners: Vec<(Wanted, Voice)>,
}

enum Wanted {
    Topics(Vec<Topic>),
    AnswersTo(String),
}

impl Ears {
    fn tell(&mut self, heard: &Heard, concerns: impl Fn(&Wanted) -> bool) {
        self.listeners.retain(|(wanted, voice)| if concerns(wanted) { voice.tell(heard.clone()) } else { true });
    }

    fn open(&mut self, wanted: Wanted) -> Box<dyn Ear> {
        self.listeners.retain(|(_, voice)| !voice.is_unheard());
        let (voice, ear) = Voice::new();
        self.listeners.push((wanted, voice));
        Box::new(ear)
    }
}

#[async_trait]
impl Broadcast for Memory {
    async fn say(&self, topic: &Topic, bytes: &[u8]) -> Result<(), BackendError> {
        let heard = Heard { topic: topic.clone(), bytes: bytes.to_vec() };
        let concerns =
            |wanted: &Wanted| matches!(wanted, Wanted::Topics(topics) if topics.iter().any(|one| one.covers(topic)));
        self.open().ears.tell(&heard, concerns);
        Ok(())
    }

    async fn listen(&self, topics: &[Topic]) -> Result<Box<dyn Ear>, BackendError> {
        Ok(self.open().ears.open(Wanted::Topics(topics.to_vec())))
    }

    async fn open_inbox(&self, id: &str) -> Result<Box<dyn Ear>, BackendError> {
        Ok(self.open().ears.open(Wanted::AnswersTo(id.to_owned())))
    }

    async fn answer(&self, to: &ReplyTo, bytes: &[u8]) -> Result<(), BackendError> {
        let heard = Heard { topic: Topic::Control, bytes: bytes.to_vec() };
        let concerns = |wanted: &Wanted| matches!(wanted, Wanted::AnswersTo(id) if *id == to.routing_key);
        self.open().ears.tell(&heard, concerns);
        Ok(())
    }
}
