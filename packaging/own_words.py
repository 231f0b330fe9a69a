"""Write down what a model answers in chats, so that Lo-Bi can hold on to it while it learns something else.

    python packaging/own_words.py QUESTIONS.txt --out CHATS.jsonl [--model FILE.gguf] [--count 300] [--seed 7]

Lines of the questions' file and made-up requests take turns. Answers are drawn at temperature 0.7 by fixed seeds.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from engine.config import bundled_model  # noqa: E402
from engine.llm.client import LanguageModel  # noqa: E402
from engine.llm.protocol import Generated, LoadModel, TextDelta  # noqa: E402
from engine.messages import ChatMessage, Sampling  # noqa: E402
from engine.prompting import INSTRUCTIONS  # noqa: E402

REQUESTS = (
    "Write a short poem about {}.",
    "Explain {} to a child.",
    "Give me five tips for {}.",
    "Write a short story that begins with {}.",
    "What are the good and the bad sides of {}?",
    "Write an email to a friend about {}.",
    "Tell me something surprising about {}.",
    "How would you begin to learn about {}?",
)
TOPICS = (
    "the sea; gardening; old bridges; baking bread; the moon; travelling by train; a lost key; birds in winter; chess; "
    "learning a language; rivers; a small bakery; fixing a bicycle; clouds; the history of paper; cats; long walks; "
    "saving money; a lighthouse; writing letters; volcanoes; cooking for many; magnets; maps; sleeping well; bees; "
    "moving house; painting; the desert; repairing clocks; public speaking; honey; snow; a first day at work; music"
).split("; ")
MOST_TOKENS = 140


def main() -> None:
    """Ask, and write each chat as a row of `messages`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("questions", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    draw = random.Random(args.seed)
    questions = draw.sample(args.questions.read_text("utf-8").splitlines(), args.count)
    made_up = [draw.choice(REQUESTS).format(draw.choice(TOPICS)) for _ in questions]
    how = LoadModel(args.model or bundled_model(), 2048, 0)
    with closing(LanguageModel(how)) as model, args.out.open("w", encoding="utf-8") as out:
        for number in range(args.count):
            text = made_up[number] if number % 2 else questions[number].strip().capitalize()
            asked = (ChatMessage("system", INSTRUCTIONS), ChatMessage("user", text))
            events = list(model.generate(asked, Sampling(temperature=0.7, seed=args.seed + number), MOST_TOKENS, 0))
            answer = "".join(event.text for event in events if isinstance(event, TextDelta)).strip()
            if answer:
                messages = [{"role": each.role, "content": each.content} for each in asked]
                is_whole = any(isinstance(event, Generated) and event.reason == "stop" for event in events)
                row = {"messages": [*messages, {"role": "assistant", "content": answer}], "whole": is_whole}
                out.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
