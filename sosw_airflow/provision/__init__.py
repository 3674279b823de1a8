"""Creates what a deployment needs: tables, bucket, assistant, by request or as a CloudFormation template.

Not here: the definitions of the tables (`stores.tables`) and the check of existing ones (`doctor`).
"""
