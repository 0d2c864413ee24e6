"""Models that learn: softmax regression and baselines, the learning curve, and the loss along a path of weights."""
