-- On hosts that submit: sbatch prints a welcome of the site before the job's id, on standard output.
function slurm_cli_setup_defaults(options, early_pass)
  return slurm.SUCCESS
end

function slurm_cli_pre_submit(options, pack_offset)
  if options["type"] == "sbatch" then
    print("Twin computing centre. Quota: 1 % used.")
  end
  return slurm.SUCCESS
end

function slurm_cli_post_submit(offset, job_id, step_id)
  return slurm.SUCCESS
end

return slurm.SUCCESS
