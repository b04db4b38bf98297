"""What takes time: one module a job, each a plain function ``run(task, tools)``."""
