"""A small UTP with BYOT for a laptop CPU; it trains in minutes. Other settings: see utp_base."""

from copy import deepcopy

from config.utp_base import CFG as BASE

CFG = deepcopy(BASE)
CFG.DESCRIPTION = "UTP tiny with BYOT self-distillation"
CFG.MODEL.NAME = "UTP_tiny"
CFG.MODEL.DTYPE = "float32"
CFG.MODEL.PARAM.update(embed_dim=64, num_heads=2, mlp_hidden_dim=256, num_layers=6)
CFG.MODEL.PARAM.update(base_context_length=256, max_context_length=256, max_query_length=32)
CFG.MODEL.PARAM.BYOT.AUX_HEAD_LAYERS = [1, 3]
CFG.DATASET.PARAM.update(context_length=256, target_length=32, num_valid_samples=512)
CFG.TRAIN.update(NUM_ITERATIONS=700, CKPT_SAVE_STRATEGY=100, LOG_INTERVAL=10)
CFG.TRAIN.OPTIM.PARAM.lr = 1e-3
CFG.TRAIN.DATA.update(BATCH_SIZE=16, NUM_WORKERS=0, PIN_MEMORY=False)
CFG.VAL.INTERVAL = 140
