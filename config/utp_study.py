"""The model of docs/study.md: utp_tiny with a longer training on a corpus of real series."""

from copy import deepcopy

from config.utp_tiny import CFG as TINY

CFG = deepcopy(TINY)
CFG.DESCRIPTION = "UTP of the self-distillation study"
CFG.MODEL.NAME = "UTP_study"
CFG.DATASET.NAME = "study"
CFG.DATASET.PARAM.num_valid_samples = 4096
CFG.TRAIN.update(NUM_ITERATIONS=4000, CKPT_SAVE_STRATEGY=500, LOG_INTERVAL=50)
CFG.TRAIN.OPTIM.PARAM.lr = 1e-3
CFG.VAL.INTERVAL = 1000
