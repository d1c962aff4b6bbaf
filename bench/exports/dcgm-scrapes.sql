-- txt
-- What Prometheus federates every 30 s, of 400 GPUs: eight a node, most of them of one pod.
SELECT 'DCGM_FI_DEV_GPU_UTIL{DCGM_FI_DRIVER_VERSION="550.54.15",Hostname="gpu-node-' || g // 8 || '",UUID="GPU-' || uuid_of(g) || '",container="' || if(g % 8 = 7, '', 'vllm')
  || '",device="nvidia' || g % 8 || '",gpu="' || g % 8 || '",modelName="NVIDIA H100 80GB HBM3",namespace="' || if(g % 8 = 7, '', one_of(g, 1, ['rag', 'search', 'training']))
  || '",pod="' || if(g % 8 = 7, '', 'vllm-' || g) || '"} ' || pick(i, 2, 101) || ' ' || 1782864000000 + 30000 * (i // 400) AS line
FROM (SELECT i, i % 400 AS g FROM range($rows) r(i))
