"""The same records by librdkafka, for benches/kafka.sh.

kafka_other.py produce BROKER TOPIC COUNT         prints MB/s
kafka_other.py consume BROKER TOPIC GROUP COUNT   prints MB/s
"""

import os
import sys
import time

from confluent_kafka import Consumer, Producer

BYTES = 512 * 512 * 3


def produce(broker, topic, count):
    producer = Producer({
        "bootstrap.servers": broker,
        "acks": "all",
        "message.max.bytes": 16 << 20,
        "linger.ms": 0,
    })
    partitions = len(producer.list_topics(topic).topics[topic].partitions)
    values = [os.urandom(BYTES) for _ in range(16)]
    failed = []
    began = time.monotonic()
    for number in range(int(count)):
        while len(producer) >= 16:
            producer.poll(0.01)
        producer.produce(
            topic,
            values[number % 16],
            partition=number % partitions,
            on_delivery=lambda error, _: error and failed.append(error),
        )
        producer.poll(0)
    producer.flush()
    assert not failed, failed
    tell(count, began)


def consume(broker, topic, group, count):
    consumer = Consumer({
        "bootstrap.servers": broker,
        "group.id": group,
        "auto.offset.reset": "earliest",
    })
    consumer.subscribe([topic])
    began, seen = None, 0
    while seen < int(count):
        message = consumer.poll(1)
        if message is None or message.error():
            continue
        began = began or time.monotonic()
        assert len(message.value()) >= BYTES
        seen += 1
    tell(count, began)
    consumer.close()


def tell(count, began):
    print(f"{int(count) * BYTES / 1e6 / (time.monotonic() - began):.0f}")


{"produce": produce, "consume": consume}[sys.argv[1]](*sys.argv[2:])
