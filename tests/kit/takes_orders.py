"""takes_orders.py - the operator's calls for one machine's orders, by its `api`."""
from kit.check import check_equal


class TakesOrders:
    def give(self, action, args):
        answer = self.api(method="POST", body={"action": action, "args": args})
        check_equal(answer.status, 200, f"{action}: {answer}; status")
        return answer.json["id"]

    def give_all(self, orders):
        answer = self.api(method="POST", body=orders)
        check_equal(answer.status, 200, f"{orders}: {answer}; status")
        return [o["id"] for o in answer.json["orders"]]

    def of(self, number):
        return self.api(f"/{number}").json

    def output(self, number):
        return self.api(f"/{number}/output").text

    def take_back(self, number):
        check_equal(self.api(f"/{number}", "DELETE").status, 200, f"order {number} is taken back: status")
