"""Models that learn: softmax regression and simple baselines, the learning curve, the loss along a path of weights."""
