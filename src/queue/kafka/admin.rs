//! Topics made, described, changed and deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest,
    IncrementalAlterConfigsRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::call::Call;
use super::cluster::{Cluster, topic_name};
use super::connection::Connection;
use super::error::{KafkaError, accepted};
use crate::queue::QueueError;
use crate::queue::admin::{BrokerState, TopicAdmin, TopicPlan, TopicState};

/// How the protocol calls a topic among the things that have settings.
const TOPIC: i8 = 2;
/// How it calls giving a setting a value.
const SET: i8 = 0;
/// What it takes for "as the broker is configured".
const BROKERS_DEFAULT: i16 = -1;

/// Sets up the topics of one cluster.
pub struct KafkaAdmin {
    cluster: Cluster,
}

impl KafkaAdmin {
    /// Over the brokers of `cluster`.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    fn timeout(&self) -> Duration {
        self.cluster.timeout()
    }

    async fn ask_controller<C: Call>(&self, request: C) -> Result<C::Response, KafkaError> {
        let mut connection = self.cluster.connect_controller().await?;
        connection.call(request, self.timeout()).await
    }

    async fn try_brokers(&self) -> Result<Vec<BrokerState>, KafkaError> {
        let mut connection = self.cluster.connect_any().await?;
        let metadata = self.cluster.metadata(&mut connection, &[]).await?;
        let mut brokers = Vec::new();
        for advertised in metadata.brokers.into_values() {
            let trouble = self.cluster.connect(&advertised).await.err().map(QueueError::from);
            brokers.push(BrokerState { advertised, trouble });
        }
        Ok(brokers)
    }

    async fn try_look(&self, plan: &TopicPlan) -> Result<Option<TopicState>, KafkaError> {
        let mut connection = self.cluster.connect_any().await?;
        let metadata = self.cluster.metadata(&mut connection, &[&plan.name]).await?;
        let Some(topic) = metadata.topics.first().map(|topic| existing(topic, &plan.name)) else {
            return Ok(None);
        };
        let Some(topic) = topic? else { return Ok(None) };
        let settings = match self.settings(&mut connection, plan).await {
            // Deleted a moment ago: the broker's answers need not agree yet.
            Err(error) if error.code() == Some(ResponseError::UnknownTopicOrPartition) => {
                return Ok(None);
            }
            settings => settings?,
        };
        let replicas = topic.partitions.iter().map(|partition| partition.replica_nodes.len());
        let replication = replicas.min().unwrap_or(0);
        Ok(Some(TopicState {
            partitions: u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX),
            replication: u16::try_from(replication).unwrap_or(u16::MAX),
            settings,
        }))
    }

    async fn settings(
        &self,
        connection: &mut Connection,
        plan: &TopicPlan,
    ) -> Result<BTreeMap<String, String>, KafkaError> {
        let keys = plan.settings.keys().map(|key| string(key)).collect();
        let resource = DescribeConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(string(&plan.name))
            .with_configuration_keys(Some(keys));
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let answer = connection.call(request, self.timeout()).await?;
        let mut settings = BTreeMap::new();
        for result in answer.results {
            accepted(result.error_code, result.error_message.as_deref(), || {
                format!("the settings of topic {} cannot be read", plan.name)
            })?;
            let configs = result.configs.into_iter();
            settings.extend(
                configs.filter_map(|config| {
                    Some((config.name.to_string(), config.value?.to_string()))
                }),
            );
        }
        Ok(settings)
    }

    async fn try_create(&self, plan: &TopicPlan) -> Result<(), KafkaError> {
        let request = CreateTopicsRequest::default()
            .with_topics(vec![creatable(plan)])
            .with_timeout_ms(self.cluster.brokers_timeout());
        let answer = self.ask_controller(request).await?;
        // Somebody else was quicker, or the answer to the same request was lost.
        let is_there = ResponseError::TopicAlreadyExists.code();
        answer.topics.iter().filter(|topic| topic.error_code != is_there).try_for_each(|topic| {
            accepted(topic.error_code, topic.error_message.as_deref(), || {
                format!("topic {} cannot be created", plan.name)
            })
        })
    }

    async fn try_set(
        &self,
        name: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<(), KafkaError> {
        let configs = settings.iter().map(|(key, value)| {
            AlterableConfig::default()
                .with_name(string(key))
                .with_config_operation(SET)
                .with_value(Some(string(value)))
        });
        let resource = AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(string(name))
            .with_configs(configs.collect());
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let answer = self.ask_controller(request).await?;
        answer.responses.iter().try_for_each(|response| {
            accepted(response.error_code, response.error_message.as_deref(), || {
                format!("the settings of topic {name} cannot be changed")
            })
        })
    }

    async fn try_grow(&self, name: &str, partitions: u32) -> Result<(), KafkaError> {
        let topic = CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(i32::try_from(partitions).unwrap_or(i32::MAX))
            .with_assignments(None);
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(self.cluster.brokers_timeout());
        let answer = self.ask_controller(request).await?;
        answer.results.iter().try_for_each(|result| {
            accepted(result.error_code, result.error_message.as_deref(), || {
                format!("topic {name} cannot get {partitions} partitions")
            })
        })
    }

    async fn try_delete(&self, name: &str) -> Result<(), KafkaError> {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![topic_name(name)])
            .with_timeout_ms(self.cluster.brokers_timeout());
        let answer = self.ask_controller(request).await?;
        answer.responses.iter().try_for_each(|response| {
            accepted(response.error_code, None, || format!("topic {name} cannot be deleted"))
        })
    }
}

fn string(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// The topic, unless the broker says that there is none.
fn existing<'a>(
    topic: &'a MetadataResponseTopic,
    name: &str,
) -> Result<Option<&'a MetadataResponseTopic>, KafkaError> {
    let known = accepted(topic.error_code, None, || format!("topic {name} cannot be looked at"));
    match known {
        Ok(()) => Ok(Some(topic)),
        Err(error) if error.code() == Some(ResponseError::UnknownTopicOrPartition) => Ok(None),
        Err(error) => Err(error),
    }
}

fn creatable(plan: &TopicPlan) -> CreatableTopic {
    let configs = plan.settings.iter().map(|(key, value)| {
        CreatableTopicConfig::default().with_name(string(key)).with_value(Some(string(value)))
    });
    let replication = plan.replication.and_then(|count| i16::try_from(count).ok());
    CreatableTopic::default()
        .with_name(topic_name(&plan.name))
        .with_num_partitions(i32::try_from(plan.partitions).unwrap_or(i32::MAX))
        .with_replication_factor(replication.unwrap_or(BROKERS_DEFAULT))
        .with_configs(configs.collect())
}

#[async_trait]
impl TopicAdmin for KafkaAdmin {
    async fn brokers(&self) -> Result<Vec<BrokerState>, QueueError> {
        Ok(self.try_brokers().await?)
    }

    async fn look(&self, plan: &TopicPlan) -> Result<Option<TopicState>, QueueError> {
        Ok(self.try_look(plan).await?)
    }

    async fn create(&self, plan: &TopicPlan) -> Result<(), QueueError> {
        Ok(self.try_create(plan).await?)
    }

    async fn set(&self, name: &str, settings: &BTreeMap<String, String>) -> Result<(), QueueError> {
        Ok(self.try_set(name, settings).await?)
    }

    async fn grow(&self, name: &str, partitions: u32) -> Result<(), QueueError> {
        Ok(self.try_grow(name, partitions).await?)
    }

    async fn delete(&self, name: &str) -> Result<(), QueueError> {
        Ok(self.try_delete(name).await?)
    }
}
