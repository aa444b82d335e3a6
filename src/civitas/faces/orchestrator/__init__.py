"""The Orchestration API: workflows, steps, recipes, blobs and services for programs, and the protocol of agents."""
