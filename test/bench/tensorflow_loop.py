"""Prints the images per second at which TensorFlow itself trains one network: widths, batch size, seconds.

The loop that a TensorFlow user would write: one compiled step a minibatch, SGD with momentum, one thread.
"""
import sys
import time

import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)

widths = [int(width) for width in sys.argv[1].split(",")]
batch, seconds = int(sys.argv[2]), float(sys.argv[3])

model = tf.keras.Sequential([tf.keras.Input((32, 32, 3))])
for width in widths:
    model.add(tf.keras.layers.Conv2D(width, 5, activation="relu"))
    model.add(tf.keras.layers.MaxPooling2D(2))
model.add(tf.keras.layers.Flatten())
model.add(tf.keras.layers.Dense(10))
optimizer = tf.keras.optimizers.SGD(0.001, momentum=0.9)
loss_of = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@tf.function
def step(images, labels):
    with tf.GradientTape() as tape:
        loss = loss_of(labels, model(images, training=True))
    optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
    return loss


generator = np.random.default_rng(0)
images = generator.integers(0, 255, (4096, 32, 32, 3), dtype=np.uint8)
labels = generator.integers(0, 10, 4096)


def minibatch(at):
    rows = np.arange(at * batch, (at + 1) * batch) % len(images)
    return images[rows].astype(np.float32) / 127.5 - 1, labels[rows]


for warm_up in range(20):
    float(step(*minibatch(warm_up)))
began, steps = time.perf_counter(), 0
while time.perf_counter() - began < seconds:
    float(step(*minibatch(steps)))
    steps += 1
print(batch * steps / (time.perf_counter() - began))
