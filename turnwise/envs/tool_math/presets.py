"""Presets of public data sets: hub address and column names.

No data comes with turnwise or is downloaded unasked. A preset describes a file of the user's, or
the hub's address if the library `datasets` is installed:
`load_problems("hf:openai/gsm8k", {"preset": "gsm8k", "split": "test"})`. Fields of nested records
are joined by dots, as in `reward_model.ground_truth`; a number selects an entry of a list. The
columns of GSM8K were checked against its files; the others are from public code that reads them or
from memory, and unchecked.
"""

from __future__ import annotations

from collections.abc import Mapping

Fields = Mapping[str, str]

PRESETS: dict[str, Fields] = {
    # Cobbe et al. 2021. `answer` is a worked solution that ends in "#### <number>".
    "gsm8k": {
        "hub": "openai/gsm8k",
        "config": "main",
        "question": "question",
        "answer": "answer",
        "answer_from": "gsm8k",
        "source": "GSM8K",
    },
    # Hendrycks et al. 2021. The answer is the last box of `solution`; levels are "Level 1" to 5.
    "math": {
        "hub": "DigitalLearningGmbH/MATH-lighteval",
        "question": "problem",
        "answer": "solution",
        "answer_from": "boxed",
        "level": "level",
        "source": "MATH",
    },
    # Lightman et al. 2023: 500 problems of MATH's test split.
    "math500": {
        "hub": "HuggingFaceH4/MATH-500",
        "split": "test",
        "question": "problem",
        "answer": "answer",
        "level": "level",
        "id": "unique_id",
        "source": "MATH-500",
    },
    "aime24": {
        "hub": "HuggingFaceH4/aime_2024",
        "split": "train",
        "question": "problem",
        "answer": "answer",
        "id": "id",
        "source": "AIME 2024",
    },
    "aime25": {
        "hub": "math-ai/aime25",
        "split": "test",
        "question": "problem",
        "answer": "answer",
        "id": "id",
        "source": "AIME 2025",
    },
    "amc23": {
        "hub": "math-ai/amc23",
        "split": "test",
        "question": "question",
        "answer": "answer",
        "id": "id",
        "source": "AMC 2023",
    },
    # Luo et al. 2025: about 40,000 problems.
    "deepscaler": {
        "hub": "agentica-org/DeepScaleR-Preview-Dataset",
        "split": "train",
        "question": "problem",
        "answer": "answer",
        "source": "DeepScaleR",
    },
    # Yu et al. 2025: 17,000 problems, each repeated many times, inside a prompt with instructions.
    "dapo_math": {
        "hub": "BytedTsinghua-SIA/DAPO-Math-17k",
        "split": "train",
        "question": "prompt.0.content",
        "answer": "reward_model.ground_truth",
        "inside": "Solve the following math problem|Remember to put your answer",
        "source": "DAPO-Math-17k",
    },
}
