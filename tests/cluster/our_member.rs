//! A member of ours in a group, which acks what it gets.

use std::sync::{Arc, Mutex};

use tilemill::model::worker::Heartbeat;
use tilemill::queue::kafka::topic::KafkaTopic;
use tilemill::queue::{Event, Topic};

use crate::other_client::OtherSeen;

/// The member, with what it knows.
pub struct OurMember {
    leave: tokio_util::sync::CancellationToken,
    task: tokio::task::JoinHandle<()>,
    seen: Arc<Mutex<OtherSeen>>,
}

impl OurMember {
    pub async fn join(topic: &Arc<KafkaTopic>) -> Self {
        let mut consumer = <_ as Topic<Heartbeat>>::join(&**topic, "ours").await.unwrap();
        let leave = tokio_util::sync::CancellationToken::new();
        let seen = Arc::new(Mutex::new(OtherSeen::default()));
        let (stop, told) = (leave.clone(), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    event = consumer.next() => event.unwrap(),
                    () = stop.cancelled() => break,
                };
                match event {
                    Event::Assigned(partitions) => told.lock().unwrap().assigned = partitions,
                    Event::Delivery(delivery) => {
                        let place = (delivery.partition(), delivery.offset());
                        told.lock().unwrap().got.push(place);
                        delivery.ack();
                    }
                }
            }
            consumer.leave().await;
        });
        Self { leave, task, seen }
    }

    pub fn seen(&self) -> OtherSeen {
        self.seen.lock().unwrap().clone()
    }

    pub async fn leave(self) {
        self.leave.cancel();
        self.task.await.unwrap();
    }
}
