"""One small file of each format, in our own words and numbers; the sums beside the formats' tests were done by hand from these."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from finledger.core.provider import ProviderLine
from finledger.read.invoices import read_invoice

FOCUS_DETAIL = """\
InvoiceDetailId,InvoiceId,InvoiceIssuerName,InvoiceIssueDate,InvoiceIssueStatus,BillingPeriodStart,BillingCurrency,ChargeCategory,InvoiceDetailDescription,InvoiceDetailGrain,BilledCost
d1,F-77,Harbour Cloud,2026-08-03T00:00:00Z,Issued,2026-07-01T00:00:00Z,EUR,Usage,Model use,"{""SkuId"": ""harbour-large""}",410.125
d2,F-77,Harbour Cloud,2026-08-03T00:00:00Z,Issued,2026-07-01T00:00:00Z,EUR,Credit,Goodwill,,-10.125
d3,F-77,Harbour Cloud,2026-08-03T00:00:00Z,Issued,2026-07-01T00:00:00Z,EUR,Tax,VAT 19 %,,76.00
d4,F-78,Harbour Cloud,,Voided,2026-07-01T00:00:00Z,EUR,Usage,Issued by mistake,,99.00
"""
FOCUS_ROWS = """\
BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,ChargeCategory,ProviderName,InvoiceId,ServiceName,SkuId,ConsumedQuantity,ConsumedUnit,x_Note
1.5E-1,0,USD,2026-07-01T00:00:00Z,2026-07-04T00:00:00Z,Usage,Harbour,H-1,Models,large,1000,tokens,first
0.25,0,USD,2026-07-01T00:00:00Z,2026-07-05T00:00:00Z,Usage,Harbour,H-1,Models,large,2000,tokens,second
2.00,0,USD,2026-07-01T00:00:00Z,2026-06-30T00:00:00Z,Usage,Harbour,H-1,Models,large,500,tokens,late
-0.10,0,USD,2026-07-01T00:00:00Z,2026-07-01T00:00:00Z,Credit,Harbour,H-1,Models,NULL,NULL,NULL,
7.00,0,USD,2026-07-01T00:00:00Z,2026-07-01T00:00:00Z,Purchase,Harbour,,Models,pack,,,
"""
OPENAI_CSV = """\
start_time,end_time,start_time_iso,amount_value,amount_currency,quantity,quantity_unit,line_item,project_id
1782864000,1782950400,2026-07-01T00:00:00,0.100000000000000000000000000001,usd,1000,tokens,"gpt-large, input",p1
1782864000,1782950400,2026-07-01T00:00:00,0.2,usd,500,tokens,"gpt-large, input",p2
1782950400,1783036800,2026-07-02T00:00:00+00:00,,,,,,
1785456000,1785542400,2026-07-31T00:00:00+00:00,0.4,usd,100,tokens,"gpt-large, output",p1
1785542400,1785628800,2026-08-01T00:00:00+00:00,0.8,usd,,,web search tool calls,p1
"""
OPENAI_JSON = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": 1782864000,
            "end_time": 1782950400,
            "results": [
                {
                    "object": "organization.costs.result",
                    "amount": {"value": "RAW:0.06", "currency": "usd"},
                    "line_item": "gpt-large, cached input",
                    "quantity": "RAW:12000",
                    "quantity_unit": "tokens",
                },
                {
                    "object": "organization.costs.result",
                    "amount": {"value": "RAW:0.3000000000000000444", "currency": "usd"},
                    "line_item": None,
                },
            ],
        },
        {"object": "bucket", "start_time": 1782950400, "end_time": 1783036800, "result": []},
    ],
    "has_more": False,
    "next_page": None,
}
ANTHROPIC_JSON = {
    "data": [
        {
            "starting_at": "2026-07-01T00:00:00Z",
            "ending_at": "2026-07-02T00:00:00Z",
            "results": [
                {"currency": "USD", "amount": "123.45", "description": "up to 200k", "model": "sonnet", "token_type": "output_tokens"},
                {"currency": "USD", "amount": "0.0001", "description": "beyond", "model": "sonnet", "token_type": "output_tokens"},
                {"currency": "USD", "amount": "1000", "description": "Web search", "model": None, "cost_type": "web_search"},
            ],
        }
    ],
    "has_more": False,
}  # fmt: skip
ANTHROPIC_CSV = """\
usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,inference_geo,speed
2026-07-01,Sonnet Five,Default,k1,message,≤ 200k,output,12.34,12.34,token,global,standard
2026-07-02,Sonnet Five,Default,k1,message,≤ 200k,output,0.66,0.66,token,global,standard
2026-07-02,,Default,k1,message,,,1.00,1.00,web_search,global,standard
"""
CUR_LEGACY = """\
bill/InvoiceId,bill/BillingPeriodStartDate,lineItem/LineItemType,lineItem/UsageStartDate,lineItem/ProductCode,lineItem/UsageType,lineItem/UsageAmount,lineItem/CurrencyCode,lineItem/UnblendedCost,pricing/unit
9001,2026-07-01T00:00:00.000Z,Usage,2026-07-03T05:00:00.000Z,AmazonBedrock,USE1-Nova-input-tokens,12.5,USD,1.81E-8,1K tokens
9001,2026-07-01T00:00:00.000Z,Usage,2026-07-03T06:00:00.000Z,AmazonBedrock,USE1-Nova-input-tokens,7.5,USD,0.5,1K tokens
9001,2026-07-01T00:00:00.000Z,Tax,2026-07-01T00:00:00.000Z,AmazonBedrock,,1,USD,0.1,
9001,2026-07-01T00:00:00.000Z,EdpDiscount,2026-07-01T00:00:00.000Z,AmazonBedrock,,,USD,-0.05,
,2026-07-01T00:00:00.000Z,RIFee,2026-07-01T00:00:00.000Z,AmazonEC2,USE1-HeavyUsage,744,USD,10,Hrs
"""
CUR_2 = """\
bill_invoice_id,bill_billing_period_start_date,line_item_line_item_type,line_item_usage_start_date,line_item_product_code,line_item_usage_type,line_item_usage_amount,line_item_currency_code,line_item_unblended_cost,pricing_unit
9002,2026-07-01 00:00:00,DiscountedUsage,2026-07-03 05:00:00,AmazonEC2,USE1-BoxUsage,3,USD,0.0,Hrs
9002,2026-07-01 00:00:00,Refund,2026-07-03 05:00:00,AmazonEC2,USE1-BoxUsage,,USD,-4.20,
"""
AZURE_EA = """\
\ufeffDate,MeterId,MeterName,ProductName,UnitOfMeasure,Quantity,CostInBillingCurrency,BillingCurrencyCode,ChargeType,BillingPeriodStartDate
07/02/2026,m1,Large Inp Tokens,Models - Large,1K,12,0.36,CHF,Usage,07/01/2026
7/31/2026,m1,Large Inp Tokens,Models - Large,1K,3,9.0E-02,CHF,Usage,07/01/2026
07/15/2026,m2,Reserved Unit,Reservation,1 Hour,1,100,CHF,Purchase,07/01/2026
07/15/2026,,,Rounding,,,-0.01,CHF,RoundingAdjustment,07/01/2026
"""
AZURE_MCA_GERMAN = """\
Datum (Date);Nr (invoiceId);meterId;meterName;unitOfMeasure;quantity;Kosten (costInBillingCurrency);billingCurrency;chargeType
2026-07-02;G-12;m1;Large Outp Tokens;1K;2;0.24;EUR;Usage
2026-07-31;G-12;m1;Large Outp Tokens;1K;2;-0.04;EUR;Refund
"""
GCP_ROWS = [
    {
        "invoice": {"month": "202607"},
        "cost_type": "regular",
        "service": {"description": "Models"},
        "sku": {"id": "A-1", "description": "Flash input"},
        "usage_start_time": "2026-07-31 23:00:00 UTC",
        "cost": "RAW:1.10",
        "currency": "EUR",
        "usage": {"amount": "RAW:2000", "unit": "tokens"},
        "credits": [
            {"name": "promo", "full_name": "July promotion", "amount": "RAW:-0.30", "type": "PROMOTION"},
            {"name": "sud", "amount": "RAW:-0.05"},
        ],
    },
    {
        "invoice": {"month": "202607"},
        "cost_type": "tax",
        "sku": {"id": "T"},
        "usage_start_time": "2026-07-01T07:00:00Z",
        "cost": "RAW:0.14",
        "currency": "EUR",
        "credits": [],
    },
    {
        "invoice": {"month": "202607"},
        "cost_type": "regular",
        "service": {"description": "Models"},
        "sku": {"id": "A-1", "description": "Flash input"},
        "usage_start_time": "2026-06-30T23:59:59Z",
        "cost": "RAW:9e-1",
        "currency": "EUR",
        "usage": {"amount": "RAW:1000", "unit": "tokens"},
    },
]
GCP_CSV = """\
invoice_month,cost_type,service_description,sku_description,usage_start_time,cost,currency,credits
202607,regular,Models,Flash input,2026-07-02 00:00:00 UTC,1.10,EUR,"[{""full_name"":""July promotion"",""amount"":-0.30}]"
202607,rounding_error,Invoice,Rounding error,,0.01,EUR,[]
"""


def raw_json(value: Any) -> str:
    """JSON in which a text RAW:… is that number, digit for digit."""
    import re

    return re.sub(r'"RAW:([^"]*)"', r"\1", json.dumps(value))


SAMPLES: dict[str, tuple[str, str]] = {
    "detail.csv": ("focus_invoice_detail", FOCUS_DETAIL),
    "rows.csv": ("focus_rows", FOCUS_ROWS),
    "openai.csv": ("openai_costs_csv", OPENAI_CSV),
    "openai.json": ("openai_costs_json", raw_json(OPENAI_JSON)),
    "anthropic.json": ("anthropic_cost_json", raw_json(ANTHROPIC_JSON)),
    "anthropic.csv": ("anthropic_cost_csv", ANTHROPIC_CSV),
    "cur.csv": ("aws_cur", CUR_LEGACY),
    "cur2.csv": ("aws_cur", CUR_2),
    "ea.csv": ("azure_costs", AZURE_EA),
    "mca.csv": ("azure_costs", AZURE_MCA_GERMAN),
    "gcp.jsonl": ("gcp_billing", "\n".join(raw_json(row) for row in GCP_ROWS)),
    "gcp.csv": ("gcp_billing", GCP_CSV),
}


def lines_of(text: str | bytes, folder: Path, name: str = "export") -> tuple[ProviderLine, ...]:
    """The lines of a file with this content, which has nothing wrong with it but notices."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    found = read_invoice(path, name)
    assert [problem for problem in found.problems if problem.severity != "notice"] == []
    return found.rows


def told(lines: tuple[ProviderLine, ...]) -> list[str]:
    """Each line on one line: invoice, month, SKU, description, quantity and unit, amount, category."""
    return [
        " | ".join(
            (line.invoice, str(line.service_month), line.sku, line.description,
             "" if line.quantity is None else f"{line.quantity:f} {line.unit}".strip(),
             f"{line.amount:f} {line.currency}", line.category)
        )
        for line in lines
    ]  # fmt: skip


def total(lines: tuple[ProviderLine, ...]) -> Decimal:
    return sum((line.amount for line in lines), Decimal(0))


def columns(text: str) -> list[str]:
    """The header of a CSV."""
    return next(csv.reader(io.StringIO(text.lstrip("\ufeff"))))
