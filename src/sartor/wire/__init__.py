"""Amazon's two protocols: what a request says, who asks, and how an answer looks. Knows no recommender."""
