"""certificate.py - authorities of a test's own, and servers that they vouch for: (key, certificate), each a file."""
import os
import tempfile

from kit.command import run

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def authority(folder, name="authority", words=("-subj", "/CN=an authority of the test's own")):
    """One that nobody knows yet; with other words, a server that vouches for itself."""
    at = os.path.join(tempfile.mkdtemp(dir=folder), name)
    run(["openssl", "req", "-x509", *KEY, "-days", "2", "-keyout", f"{at}.key", "-out", f"{at}.crt", *words])
    return f"{at}.key", f"{at}.crt"


def vouched(folder, by, host, dates=()):
    """Of a server at that address."""
    at = os.path.join(tempfile.mkdtemp(dir=folder), "server")
    with open(f"{at}.ext", "w") as f:
        f.write(f"subjectAltName=IP:{host}\n")
    run(["openssl", "req", *KEY, "-subj", "/CN=server", "-keyout", f"{at}.key", "-out", f"{at}.csr"])
    run(["openssl", "x509", "-req", "-in", f"{at}.csr", "-CA", by[1], "-CAkey", by[0], "-CAcreateserial",
        "-extfile", f"{at}.ext", *(dates or ("-days", "2")), "-out", f"{at}.crt"])
    return f"{at}.key", f"{at}.crt"
