"""What the process of a trial and its runner have agreed on."""

#: Ending of a file that holds a function.
SUFFIX = ".pkl"
#: File in which an attempt of a trial leaves the traceback that has ended it.
ERROR = "error-{}.txt"
#: Variable that is set while a trial loads its function, when nothing may be tuned.
LOADING = "SUGGEST_TRIAL_LOADS"
#: Variable with the active parameters of a trial, a JSON object.
PARAMETERS = "SUGGEST_PARAMETERS"
