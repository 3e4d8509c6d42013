"""The shop as it is today.

Five things that earlier revisions made are gone from this file, which is all that a developer
does to get rid of them: `alembic revision --autogenerate` writes the rest. See README.md.
"""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    DateTime,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from alembic_zanith import Extension, Policy, RowSecurity

# Whoever the application says is logged in sees their own entries, and everybody may write one:
# nothing in the log is changed or deleted.
AUDIT_LOG = RowSecurity(
    "audit_log",
    Policy(
        "own_entries",
        command="SELECT",
        using="user_id = current_setting('shop.user_id', true)::bigint",
    ),
    Policy("write_entries", command="INSERT", with_check="true"),
)


class Base(DeclarativeBase):
    """Names every constraint, so that all databases of the shop have the same names for them.

    https://alembic.sqlalchemy.org/en/latest/naming.html
    """

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        },
        info={"zanith": {"extensions": [Extension("pg_trgm")], "row_security": [AUDIT_LOG]}},
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BigInteger,
        dt.datetime: DateTime(timezone=True),
        Decimal: Numeric(10, 2),
    }


class User(Base):
    """Somebody who has an account."""

    __tablename__ = "users"
    __table_args__ = (
        # "Ann@Example.org" and "ann@example.org" are one mailbox.
        Index("uq_users_email_lower", text("lower(email)"), unique=True),
        # Finds any part of a name: https://www.postgresql.org/docs/current/pgtrgm.html
        Index(
            "ix_users_full_name_trgm",
            "full_name",
            postgresql_using="gin",
            postgresql_ops={"full_name": "gin_trgm_ops"},
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    full_name: Mapped[str]
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    orders: Mapped[list[Order]] = relationship(back_populates="customer")


class Product(Base):
    """Something to buy."""

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    sku: Mapped[str] = mapped_column(String(32), unique=True)
    brand: Mapped[str]
    model: Mapped[str | None]
    price: Mapped[Decimal] = mapped_column(CheckConstraint("price >= 0", name="price"))
    # The demo removes this line and lets autogenerate find out.
    supplier_code: Mapped[str | None] = mapped_column(String(16), index=True)


class OrderStatus(enum.Enum):
    """How far an order has come."""

    placed = "placed"
    paid = "paid"
    shipped = "shipped"


class Order(Base):
    """One purchase."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    status: Mapped[OrderStatus] = mapped_column(Enum(OrderStatus, name="order_status"))
    placed_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    # What the customer reads on the invoice.
    invoice_number: Mapped[str | None] = mapped_column(String(16))

    customer: Mapped[User] = relationship(back_populates="orders")
    items: Mapped[list[OrderItem]] = relationship(back_populates="order")


class OrderItem(Base):
    """One product in an order, at the price of that day."""

    __tablename__ = "order_items"

    order_id: Mapped[int] = mapped_column(
        ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True
    )
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True, index=True)
    quantity: Mapped[int] = mapped_column(Integer, CheckConstraint("quantity > 0", name="quantity"))
    unit_price: Mapped[Decimal]
    price: Mapped[Decimal | None] = mapped_column(
        Numeric(12, 2), Computed("quantity * unit_price", persisted=True)
    )

    order: Mapped[Order] = relationship(back_populates="items")
    product: Mapped[Product] = relationship()


class AuditEntry(Base):
    """Who did what."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    # What was done, and its details.
    event: Mapped[dict[str, Any]] = mapped_column(JSONB)
    at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
