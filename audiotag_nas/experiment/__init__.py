"""An experiment in a working directory.

Directory: workspace, config_changes, path_fields, data_digests, running_file.
Data: dataset (clips), preparation (log-mels).
Trials: stages, generations, stage_driver, trained_networks, progress.
Results: results, pareto, evaluation, model_export.
Entry points: tuner (Python), main_job and main_job_report (`run`).
"""
