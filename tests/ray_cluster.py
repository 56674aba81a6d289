"""A Ray cluster of two raylets on this machine, in a process of its own.

    python ray_cluster.py [PATH]

prints the cluster's address and waits for lines: "lose node" kills the second raylet
as a power cut would, "lose head" and "lose here" the head's process that knows the
others, and its raylet, under whoever has joined them. PATH comes first among the
modules of the second node's processes. It ends, and the cluster with it, when its
input does.
"""

import os
import sys

from ray.cluster_utils import Cluster


def main() -> None:
    """Start, print the address, obey."""
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    if len(sys.argv) > 1:
        os.environ["PYTHONPATH"] = sys.argv[1]
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    sys.stdout.write(f"{cluster.address}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        what = line.split()[1]
        if what == "node":
            cluster.remove_node(second, allow_graceful=False)
        elif what == "head":
            cluster.head_node.kill_gcs_server()
        elif what == "here":
            cluster.head_node.kill_raylet()
        sys.stdout.write("lost\n")
        sys.stdout.flush()
    cluster.shutdown()


main()
