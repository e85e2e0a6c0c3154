"""A machine whose loader gets no answer: it asks again by itself, and shows a menu to who wants one."""
import time

from kit.command import docker
from kit.scope import needs
from kit.screen import DOWN, Screen

SILENT = "52:54:00:e2:e0:07"


def nft(lab, *words):
    docker("exec", "-u", "0", f"{lab.name}-stack", "nft", *words)


def test_a_loader_without_an_answer_says_so_and_has_a_menu(lab):
    lab.only_the_lab()
    nft(lab, "add table inet silence; add chain inet silence in { type filter hook input priority -10; }; "
        "add rule inet silence in tcp dport 80 reject with tcp reset")
    try:
        lab.start_vm("silent", SILENT)
        screen = Screen(lab, "silent")
        try:
            screen.shows(r"No answer from http://[0-9.]+/ipxe: asking again in 5 seconds \(m: menu\)", 120)
            screen.shows(r"asking again", 30)
            screen.types(b"m")
            screen.shows(r"Network details", 20)
            screen.types(DOWN + DOWN + b"\r")
            screen.shows(r"(?s)" + SILENT + r".*HTTP server [0-9.]+.*any key", 20)
            screen.types(b" ")
            screen.shows(r"Boot from disk", 20)
            screen.types(DOWN + b"\r")
            screen.shows(r"No disk here can be booted", 60)
        finally:
            screen.leave()
    finally:
        nft(lab, "delete table inet silence")


@needs(test_a_loader_without_an_answer_says_so_and_has_a_menu)
def test_it_goes_on_once_the_answer_comes(lab):
    screen = Screen(lab, "silent")
    try:
        time.sleep(1)
        screen.types(b"\r")
        screen.shows(r"no definition in vms/ has this machine: mac " + SILENT, 90)
    finally:
        screen.leave()
        lab.remove_vm("silent")
