STAGES = ["dev", "prod"]
