-- What a site does with jobs: greets whoever submits, refuses with a reason, gives names of its own.
local SHORT_CPUS = 8

function slurm_job_submit(job, partitions, uid)
  slurm.log_user("Welcome to cluster twin. News: https://status.example/")
  if job.partition == "short" and job.min_cpus ~= slurm.NO_VAL and job.min_cpus > SHORT_CPUS then
    slurm.log_user(string.format(
      "partition short: at most %d CPUs for a job, yours asks for %d. Use partition main.", SHORT_CPUS, job.min_cpus))
    return slurm.ERROR
  end
  if job.tres_per_node ~= nil and string.find(job.tres_per_node, "gpu") then
    job.name = "gpu_" .. (job.name or "")
  end
  return slurm.SUCCESS
end

function slurm_job_modify(job, record, partitions, uid)
  return slurm.SUCCESS
end

return slurm.SUCCESS
