"""Trials that only pretend to run, by a virtual clock: to test schedules of many trials in seconds.

A `World` outlives the sessions of a controller, as the processes of a machine do. In it, what a
trial does is a function of the seed, the trial's name and its attempt.
"""

from suggestion.runtimes.simulator.runtime import SimulatedRuntime, VirtualWaiter
from suggestion.runtimes.simulator.workspace import SimulatedWorkspace
from suggestion.runtimes.simulator.world import Play, Script, Virtual, World, scripted

__all__ = [
    "Play",
    "Script",
    "SimulatedRuntime",
    "SimulatedWorkspace",
    "Virtual",
    "VirtualWaiter",
    "World",
    "scripted",
]
