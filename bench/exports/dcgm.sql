-- json {"status":"success","data":{"resultType":"matrix","result":[ ... ]}}
-- A day of a GPU a series, a minute apart: eight GPUs a node, most of them of one pod.
SELECT {'metric': json_merge_patch('{}', to_json({'__name__': 'DCGM_FI_DEV_GPU_UTIL', 'DCGM_FI_DRIVER_VERSION': '550.54.15', 'Hostname': 'gpu-node-' || i // 8, 'UUID': 'GPU-' || uuid_of(i), 'container': 'server',
  'device': 'nvidia' || i % 8, 'exported_container': if(i % 8 = 7, NULL, 'vllm'), 'exported_namespace': if(i % 8 = 7, NULL, one_of(i, 1, ['rag', 'search', 'training'])),
  'exported_pod': if(i % 8 = 7, NULL, 'vllm-' || i), 'gpu': '' || i % 8, 'instance': '10.0.0.' || i // 8 % 250 || ':9400', 'job': 'dcgm-exporter', 'modelName': 'NVIDIA H100 80GB HBM3',
  'namespace': 'gpu-operator', 'pod': 'nvidia-dcgm-exporter-' || i // 8})), 'values': list_transform(range(1440), lambda k: [to_json(1782864000 + 60 * k), to_json('' || pick(i * 1440 + k, 2, 101))])} AS element
FROM range(greatest($rows // 1440, 1)) r(i)
