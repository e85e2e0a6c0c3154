"""boot_image.py - folders of boot images, with what files a test wants them to have."""
import hashlib
import json
import os


def add(lab, folder, contents, manifest=None):
    where = os.path.join(lab.images, folder)
    os.makedirs(where, exist_ok=True)
    for name, text in contents.items():
        with open(os.path.join(where, name), "w") as f:
            f.write(text)
    if manifest:
        with open(os.path.join(where, "manifest.json"), "w") as f:
            json.dump(manifest, f)


def stored(name, text):
    return {"file": name, "size_bytes": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}
