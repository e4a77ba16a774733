"""UTP at the full size of UTPExp, with BYOT self-distillation. Edit this file."""

from easydict import EasyDict

from models.utp import UTP
from runners.utp_runner import UTPRunner

############################## Hot parameters ##############################
DATA_NAME = "synthetic"  # a folder under datasets/; data.prepare makes one from CSV files
CONTEXT_LENGTH = 1024
TARGET_LENGTH = 64
NUM_ITERATIONS = 100_000
BATCH_SIZE = 32  # per process
LEARNING_RATE = 1e-4
VAL_INTERVAL = 5_000
MODEL_PARAM = {
    "embed_dim": 384,
    "num_heads": 12,
    "mlp_hidden_dim": 1536,
    "num_layers": 12,
    "use_rope_x": True,
    "rope_base": 10000.0,
    "base_context_length": 1024,
    "use_reg_token": True,
    "asinh_transform": True,
    "max_context_length": 1024,
    "max_query_length": 64,
    # 0.01, 0.05, 0.10 ... 0.95, 0.99; None is point mode.
    "quantiles": [0.01, *(i / 20 for i in range(1, 20)), 0.99],
    # As UTPExp describes it. We recommend loss_soft 0.0 (measured on a small model: docs/study.md).
    "BYOT": {
        "ENABLED": True,
        "AUX_HEAD_LAYERS": [3, 7],
        "LOSS_WEIGHTS": {"loss_gt": 1.0, "loss_soft": 0.2},
    },
}

################################ General ################################
CFG = EasyDict()
CFG.DESCRIPTION = "UTP base with BYOT self-distillation"
CFG.GPU_NUM = None  # every visible GPU, or the CPU if there is none
CFG.RUNNER = UTPRunner

CFG.ENV = EasyDict()
CFG.ENV.SEED = 0

################################# Model #################################
CFG.MODEL = EasyDict()
CFG.MODEL.NAME = "UTP_base"
CFG.MODEL.ARCH = UTP
CFG.MODEL.PARAM = EasyDict(MODEL_PARAM)
CFG.MODEL.DTYPE = "bfloat16"

################################# Data ##################################
CFG.DATASET = EasyDict()
CFG.DATASET.NAME = DATA_NAME
CFG.DATASET.PARAM = EasyDict()
CFG.DATASET.PARAM.context_length = CONTEXT_LENGTH
CFG.DATASET.PARAM.target_length = TARGET_LENGTH
CFG.DATASET.PARAM.num_valid_samples = 2048

############################### Training ################################
CFG.TRAIN = EasyDict()
CFG.TRAIN.NUM_ITERATIONS = NUM_ITERATIONS
CFG.TRAIN.CKPT_SAVE_STRATEGY = 1_000  # iterations between saves of latest.pt
CFG.TRAIN.CKPT_SAVE_DIR = None  # checkpoints/<MODEL.NAME>/<DATASET.NAME>_<hash>
CFG.TRAIN.OPTIM = EasyDict()
CFG.TRAIN.OPTIM.TYPE = "AdamW"
CFG.TRAIN.OPTIM.PARAM = EasyDict()
CFG.TRAIN.OPTIM.PARAM.lr = LEARNING_RATE
CFG.TRAIN.OPTIM.PARAM.betas = (0.9, 0.95)
CFG.TRAIN.OPTIM.PARAM.weight_decay = 0.01
CFG.TRAIN.OPTIM.PARAM.fused = True
CFG.TRAIN.LR_SCHEDULER = EasyDict()
CFG.TRAIN.LR_SCHEDULER.TYPE = "CosineWarmup"
CFG.TRAIN.LR_SCHEDULER.PARAM = EasyDict()
CFG.TRAIN.LR_SCHEDULER.PARAM.num_warmup_steps = 0.1  # a float is a share of the schedule
CFG.TRAIN.LR_SCHEDULER.PARAM.num_training_steps = None  # NUM_ITERATIONS
CFG.TRAIN.CLIP_GRAD_PARAM = EasyDict()
CFG.TRAIN.CLIP_GRAD_PARAM.max_norm = 1.0
CFG.TRAIN.DATA = EasyDict()
CFG.TRAIN.DATA.BATCH_SIZE = BATCH_SIZE
CFG.TRAIN.DATA.NUM_WORKERS = 2
CFG.TRAIN.DATA.PIN_MEMORY = True
CFG.TRAIN.GRAD_ACCUMULATION_STEPS = 1
# On a GPU compiling should pay (docs/performance.md has an estimate) in any run of more than some
# minutes; it takes about a minute, and a C compiler. A run may go on compiled or not: checkpoints
# are the same.
CFG.TRAIN.COMPILE_MODEL = False
CFG.TRAIN.CUDNN_ATTENTION = False  # its backward pass may give NaN in bfloat16 (pytorch #196678)
CFG.TRAIN.LOG_INTERVAL = 50
CFG.TRAIN.MAX_SKIPPED_STEPS = 10  # training ends after this many non-finite steps in a row
CFG.TRAIN.PATIENCE = None  # a run ends after this many validations without a better teacher
CFG.TRAIN.PEER_TIMEOUT = 600  # seconds until a process that does not answer counts as lost

############################## Validation ###############################
CFG.VAL = EasyDict()
CFG.VAL.INTERVAL = VAL_INTERVAL
CFG.VAL.FIGURES = True  # draw forecasts, and the loss over depth, at each validation
CFG.VAL.DATA = EasyDict()
CFG.VAL.DATA.BATCH_SIZE = 64
