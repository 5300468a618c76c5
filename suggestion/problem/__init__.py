"""What is to be optimised: parameters, the search space, trials and studies; pure."""
