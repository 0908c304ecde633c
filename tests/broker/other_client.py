"""Another client in a consumer group: librdkafka. Tells what happens in lines of JSON.

other_client.py member BROKERS TOPIC GROUP ASSIGNOR   a member, until standard input ends
other_client.py describe BROKERS TOPIC GROUP          the group as this client sees it
"""

import json
import sys
import threading

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient


def tell(**what):
    print(json.dumps(what), flush=True)


def member(brokers, topic, group, assignor):
    consumer = Consumer({
        "bootstrap.servers": brokers,
        "group.id": group,
        "client.id": "theirs",
        "partition.assignment.strategy": assignor,
        "session.timeout.ms": 6000,
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


{"member": member, "describe": describe}[sys.argv[1]](*sys.argv[2:])
