"""Prints the seconds that Ray Tune takes for 60 trials of 1 s on 2 slots; an ideal run takes 30."""
import time

import ray
from ray import tune


def wait(config):
    time.sleep(1)
    return {"loss": config["seed"]}


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
began = time.perf_counter()
tune.Tuner(
    wait,
    param_space={"seed": tune.grid_search(list(range(60)))},
    run_config=tune.RunConfig(verbose=0),
).fit()
print(time.perf_counter() - began)
