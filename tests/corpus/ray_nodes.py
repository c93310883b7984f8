"""Starts a Ray cluster on this machine; run by an environment with Ray, until its input ends.

Prints the cluster's address, and at the end how many of its nodes had a task.
"""

import select
import sys

LOOK_SECONDS = 0.1
# Of one CPU; without the parts that only watch, so that it starts in time beside other work.
NODE = {
    "num_cpus": 1,
    "include_dashboard": False,
    "include_log_monitor": False,
    "no_monitor": True,
}


def busy_nodes():
    """The nodes whose CPU is taken now."""
    from ray._private.state import available_resources_per_node

    free = available_resources_per_node()
    return {node for node, resources in free.items() if resources.get("CPU", 0.0) < 1.0}


def main():
    import ray  # in the extra's environment alone, and tests import every module here
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    for _ in range(int(sys.argv[1]) - 1):
        cluster.add_node(**NODE)
    cluster.wait_for_nodes(timeout=300)
    ray.init(cluster.address, log_to_driver=False)
    print(cluster.address, flush=True)
    busy = set()
    while not select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:
        busy |= busy_nodes()
    print(len(busy), flush=True)
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
