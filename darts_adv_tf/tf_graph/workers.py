"""One strategy over several machines."""

import tensorflow as tf

from darts_adv_tf.system import interruption
from darts_adv_tf.system.cluster import Cluster, meet
from darts_adv_tf.system.errors import CommunicationError
from darts_adv_tf.tf_graph.private_interfaces import RUNTIME_CONTEXT

START_SECONDS = 600
"""How long workers wait for each other at the start: batch systems start them minutes apart."""
JOIN_SECONDS = 60
"""How long TensorFlow may then take to join them, deaf to SIGTERM; it takes one or two."""


def join_workers(cluster: Cluster) -> tf.distribute.Strategy:
    """A mirror over several machines: their GPUs, or a CPU each.

    Raises:
        CommunicationError: Not all of them have come within `START_SECONDS`, or this worker's
            port is taken.
    """
    print(f"workers: {cluster.index} of {len(cluster.workers)}, waiting for all", flush=True)
    meet(cluster, START_SECONDS)
    limit_joining(len(cluster.workers), JOIN_SECONDS)
    try:
        with interruption.left_to_the_system():
            return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise CommunicationError(
            f"All workers of TF_CONFIG must join within {JOIN_SECONDS} seconds, each at an "
            "address of its own.",
            received=error.message.partition("\n")[0],
            remedy="See to it that all workers run the same command and reach each other, and that "
            f"the port of {cluster.workers[cluster.index]} is free here.",
        ) from error


def limit_joining(num_workers: int, seconds: int) -> None:
    """Lets the joining fail if a worker has gone away again; before TensorFlow first computes.

    It makes the settings that TensorFlow would make itself, but with an end to the waiting. The
    place to keep them is private; without it a warning says so, and the waiting has no end.
    """
    eager = RUNTIME_CONTEXT.load()
    if eager is None:
        return
    configuration = tf.compat.v1.ConfigProto().experimental.coordination_config
    configuration.coordinated_job_list.add(name="worker", num_tasks=num_workers)
    runtime = eager.context()
    runtime.configure_coordination_service(
        "standalone",
        service_leader="/job:worker/replica:0/task:0",
        coordinated_jobs=list(configuration.coordinated_job_list),
        cluster_register_timeout_in_ms=seconds * 1000,
    )
    runtime.coordination_service.cluster_register_with_barrier = True
