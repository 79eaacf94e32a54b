"""Word error rates of two speech engines, as an independent recogniser hears them.

recognise.py speak VOICE SENTENCES DIR      DIR/NNN.piper.wav by the piper-tts package
recognise.py hear SENTENCES DIR             JSON of what is heard in DIR/NNN.KIND.raw
                                            (16-bit little-endian mono, 16 kHz)
"""

import json
import pathlib
import sys
import wave


def sentences(path: str) -> list[tuple[str, str]]:
    """Pairs of written text and what a person would say."""
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines if line]


def speak(voice_file: str, sentence_file: str, folder: str) -> None:
    """Speak every sentence as the package does by default."""
    import piper

    voice = piper.PiperVoice.load(voice_file)
    for i, (written, _) in enumerate(sentences(sentence_file)):
        with wave.open(f"{folder}/{i:03}.piper.wav", "wb") as out:
            voice.synthesize_wav(written, out)


# How the recogniser writes what sounds the same.
WRITTEN = {
    "mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint", "pm": "p m", "etc": "et cetera",
    "mph": "miles per hour", "blackboard": "black board",
}


def words(text: str) -> list[str]:
    """The words of a text without marks, in small letters, written in one way."""
    plain = "".join(c if c.isalpha() or c == "'" else " " for c in text.lower()).split()
    out: list[str] = []
    for word in plain:
        if word == "and" and out and out[-1] in ("hundred", "thousand"):
            continue  # "one hundred and six" and "one hundred six" are both right
        out += WRITTEN.get(word, word).split()
    return out


def distance(want: list[str], got: list[str]) -> int:
    """Substitutions, insertions and deletions between two lists of words."""
    row = list(range(len(got) + 1))
    for i, w in enumerate(want, 1):
        before, row[0] = row[0], i
        for j, g in enumerate(got, 1):
            before, row[j] = row[j], min(before + (w != g), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def hear(sentence_file: str, folder: str) -> None:
    """Recognise everything with the model that comes with the package."""
    from pocketsphinx import Decoder

    spoken = [words(s) for _, s in sentences(sentence_file)]
    out = {}
    for path in sorted(pathlib.Path(folder).glob("*.raw")):
        number, kind, _ = path.name.split(".")
        decoder = Decoder(samprate=16000, loglevel="FATAL")  # anew, so that none is used to the other's voice
        decoder.start_utt()
        decoder.process_raw(path.read_bytes(), full_utt=True)
        decoder.end_utt()
        heard = words(decoder.hyp().hypstr if decoder.hyp() else "")
        want = spoken[int(number)]
        result = out.setdefault(kind, {"words": 0, "errors": 0, "heard": []})
        result["words"] += len(want)
        result["errors"] += distance(want, heard)
        result["heard"].append(" ".join(heard))
    print(json.dumps(out))


if __name__ == "__main__":
    {"speak": speak, "hear": hear}[sys.argv[1]](*sys.argv[2:])
