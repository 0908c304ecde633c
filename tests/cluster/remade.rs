//! Topics that grow, go and come while a group has members.

use std::sync::Arc;

use tilemill::model::worker::Heartbeat;
use tilemill::queue::admin::{TopicAdmin, TopicPlan};
use tilemill::queue::kafka::admin::KafkaAdmin;
use tilemill::queue::kafka::topic::KafkaTopic;

use crate::broker::Cluster;
use crate::broker::topic::{cluster as cluster_at, send, until, until_committed};
use crate::conformance::queue::message;
use crate::fleet::{new_topic, own_name};
use crate::our_member::OurMember;
use crate::support::block_on;

/// A topic, and who may do anything with it.
struct Remade {
    admin: KafkaAdmin,
    plan: TopicPlan,
    topic: Arc<KafkaTopic>,
}

impl Remade {
    async fn new(cluster: &Cluster, test: &str, partitions: u32) -> Self {
        let (name, admin) = (own_name(test), KafkaAdmin::new(cluster_at(&cluster.address)));
        let topic = new_topic(&cluster.address, &name, partitions).await;
        let plan = TopicPlan { name, partitions, replication: None, settings: [].into() };
        Self { admin, plan, topic }
    }

    async fn partitions(&self) -> u32 {
        self.admin.look(&self.plan).await.unwrap().map_or(0, |state| state.partitions)
    }

    async fn delete(&self) {
        self.admin.delete(&self.plan.name).await.unwrap();
        until("it is gone", async || self.partitions().await == 0).await;
    }

    async fn create(&self) {
        self.admin.create(&self.plan).await.unwrap();
        until("it is there", async || self.partitions().await > 0).await;
    }

    /// Sends so many messages to each partition.
    async fn fill(&self, messages: u64) {
        for turn in 0..messages * u64::from(self.plan.partitions) {
            send::<Heartbeat>(&self.topic, turn, || message(turn)).await;
        }
    }
}

/// Where a count of partitions is remembered, the one that is not among them may be new.
pub fn grown(cluster: &Cluster) {
    block_on(async {
        let remade = Remade::new(cluster, "grown", 1).await;
        remade.fill(1).await;
        remade.admin.grow(&remade.plan.name, 2).await.unwrap();
        until("it has grown", async || remade.partitions().await == 2).await;
        tilemill::queue::Topic::send(&*remade.topic, 1, message(1)).await.unwrap();
    });
}

pub fn gone(cluster: &Cluster) {
    block_on(async {
        let remade = Remade::new(cluster, "gone", 2).await;
        let (stays, leaves) =
            (OurMember::join(&remade.topic).await, OurMember::join(&remade.topic).await);
        let shares = || [stays.seen().assigned.len(), leaves.seen().assigned.len()];
        until("they share", async || shares() == [1, 1]).await;
        remade.delete().await;
        leaves.leave().await;
        until("nothing is left", async || stays.seen().assigned.is_empty()).await;
        remade.create().await;
        remade.fill(3).await;
        until_committed::<Heartbeat>(&remade.topic).await;
        assert_eq!(stays.seen().got.len(), 6);
        stays.leave().await;
    });
}

/// The member stays where it was, beyond the end of what there is now.
pub fn made_anew(cluster: &Cluster) {
    block_on(async {
        let remade = Remade::new(cluster, "anew", 2).await;
        let member = OurMember::join(&remade.topic).await;
        remade.fill(5).await;
        until_committed::<Heartbeat>(&remade.topic).await;
        remade.delete().await;
        remade.create().await;
        remade.fill(2).await;
        let again = |partition| {
            let got = member.seen().got;
            let times = |offset| got.iter().filter(|place| **place == (partition, offset)).count();
            times(0) > 1 && times(1) > 1
        };
        until("all is delivered", async || again(0) && again(1)).await;
        until_committed::<Heartbeat>(&remade.topic).await;
        member.leave().await;
    });
}
