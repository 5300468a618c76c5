"""From the output of a trial to its reports."""
