"""Another client in a consumer group: librdkafka. Tells what happens in lines of JSON.

other_client.py member BROKERS TOPIC GROUP ASSIGNOR SESSION   a member, until standard input ends
other_client.py describe BROKERS TOPIC GROUP                  the group as this client sees it
other_client.py send BROKERS TOPIC                            records that are no messages, in every way to write them
"""

import json
import sys
import threading

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient


def tell(**what):
    print(json.dumps(what), flush=True)


def member(brokers, topic, group, assignor, session):
    consumer = Consumer({
        "bootstrap.servers": brokers,
        "group.id": group,
        "client.id": "theirs",
        "partition.assignment.strategy": assignor,
        "session.timeout.ms": int(session),
        "heartbeat.interval.ms": 500,
        "topic.metadata.refresh.interval.ms": 1000,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })

    def assigned(_, partitions):
        tell(assigned=sorted(partition.partition for partition in partitions))

    consumer.subscribe([topic], on_assign=assigned, on_revoke=lambda *_: tell(assigned=[]))
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.is_set():
        message = consumer.poll(0.05)
        if message is None:
            continue
        if message.error():
            tell(error=str(message.error()))
            continue
        tell(got=[message.partition(), message.offset()])
        try:
            consumer.commit(message, asynchronous=False)
        except Exception as error:  # The group is rebalancing: the message comes again.
            tell(error=str(error))
    consumer.close()
    tell(left=True)


def describe(brokers, topic, group):
    admin = AdminClient({"bootstrap.servers": brokers})
    described = admin.describe_consumer_groups([group])[group].result()
    members = {
        each.client_id: sorted(p.partition for p in each.assignment.topic_partitions)
        for each in described.members
    }
    wanted = ConsumerGroupTopicPartitions(group)
    offsets = admin.list_consumer_group_offsets([wanted])[group].result().topic_partitions
    committed = {str(p.partition): p.offset for p in offsets if p.topic == topic}
    tell(members=members, committed=committed, state=described.state.name)


def send(brokers, topic):
    compressions = ["none", "gzip", "snappy", "lz4", "zstd"]
    for compression in compressions:
        producer = Producer({"bootstrap.servers": brokers, "compression.type": compression})
        producer.produce(topic, b"no message " * 20, partition=0)
        producer.flush()
    # A record without a value, and behind it, a moment later, a mark of the broker that is no record.
    observer = Consumer({"bootstrap.servers": brokers, "group.id": "observer"})
    end = lambda: observer.get_watermark_offsets(TopicPartition(topic, 0))[1]
    before = end()
    producer = Producer({"bootstrap.servers": brokers, "transactional.id": topic})
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(topic, None, key=b"only a key", partition=0)
    producer.commit_transaction()
    while end() < before + 2:
        pass
    observer.close()
    tell(sent=len(compressions) + 1)


{"member": member, "describe": describe, "send": send}[sys.argv[1]](*sys.argv[2:])
